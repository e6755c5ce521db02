"""From a run record to the evaluation record: its probabilities on every split, and the images worth showing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.backend import keras
from cnnlab.errors import DataError, StoreError
from cnnlab.evaluation.attention import grad_cam, map_layer, normalised
from cnnlab.evaluation.exhibits import choose
from cnnlab.identity import EVALUATION_VERSION, evaluation_id
from cnnlab.layers.weights import check_contained
from cnnlab.spec import SPLITS, DatasetSpec, Fold, NetworkOptions, Recipe, RunSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training.engine import Build, Predictor, build_model
from cnnlab.training.machine import Precision

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

MOST_CLASSES, TOP = 1000, 20
"""With more classes than the first, only the largest probabilities are kept, as many as the second says."""


def evaluate(
    run: Record,
    table: ImageTable,
    splits: Splits,
    *,
    store: RunStore,
    predict: Predictor | None = None,
    build: Build | None = None,
    flip: bool = False,
) -> Record:
    """Predict train, validation and test with a run's published weights and publish the result.

    Args:
        predict: the live inference that `train_model` returned, to save building and tracing; None rebuilds the model
            from code and the published weights.
        build: replaces `cnnlab.layers.factory.build_network`.
        flip: probabilities are the mean of the image's and of its mirror image's (left to right), on every split.

    Returns:
        The evaluation record, the one already there if there is one. `predictions.npz` holds for each split s what
        `predicted` gives as `s_probabilities`, `s_labels` and `s_ids`; `exhibits.npz` `images` uint8 (n, S, S, 3) and
        `ids`, see `choose`; `attention.npz`, where the network has a map of 4x4 cells, `ids` and `maps` uint8
        (n, h, w), Grad-CAM of the predicted class of the images themselves, not mirrored. The manifest's `correct`
        counts what the first largest of the float16 values gets right, its `test_use` how many evaluations had looked
        at these test images by then, this one included.

    Raises:
        StoreError: the run's files cannot be trusted, or it has no weights.
        DataError: the images are not those the run was trained on, or it is a fold of a cross-validation.
    """
    spec = read_spec(run)
    record_id = evaluation_id(run.id, flip=flip)
    with store.lock(record_id):
        if store.has("evaluation", record_id):
            return store.read("evaluation", record_id)
        _check(run, spec, table)
        started = time.perf_counter()
        predictor = predict or Predictor(load_model(run, len(table.classes), build=build))
        split = spec.data.split.model_dump(mode="json")
        uses = store.note_test_use(table.fingerprint, split, evaluation=record_id)
        parts = {name: predicted(predictor, table, getattr(splits, name), flip=flip) for name in SPLITS}
        arrays, attention = _shown(predictor.model, table, parts["test"])
        arrays["predictions"] = {f"{name}_{key}": one for name, part in parts.items() for key, one in part.items()}

        def write(folder: Path) -> dict[str, Any]:
            for name, content in arrays.items():
                np.savez_compressed(folder / f"{name}.npz", **content)
            return {
                "run": run.id, "weights": run.manifest["files"].get("weights.weights.h5"), "attention": attention,
                "splits": {name: len(getattr(splits, name)) for name in SPLITS},
                "correct": {name: int((top(part)[0] == part["labels"]).sum()) for name, part in parts.items()},
                "flip": flip, "test_use": uses, "version": EVALUATION_VERSION,
                "seconds": round(time.perf_counter() - started, 3),
            }  # fmt: skip

        return store.publish("evaluation", record_id, write)


def _check(run: Record, spec: RunSpec, table: ImageTable) -> None:
    if spec.fold is not None:
        raise DataError(
            "a fold of a cross-validation is not evaluated: that would look at the test images once for each fold",
            where=run.folder, received=f"fold {spec.fold.index + 1} of {spec.fold.of}",
            hint="its accuracy is that on its own validation images, in history.csv",
        )  # fmt: skip
    if run.manifest["fingerprint"] != table.fingerprint:
        raise DataError(
            "the images are not those that the run was trained on", where=run.folder,
            received=f"fingerprint {table.fingerprint}", expected=f"fingerprint {run.manifest['fingerprint']}",
            hint="run the lab again, it trains on the data as they are now",
        )  # fmt: skip


def _shown(
    model: keras.Model, table: ImageTable, test: dict[str, np.ndarray]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The arrays of the test images that are shown, and what the manifest says of `attention`."""
    answers, confidence = top(test)
    shown, explained = choose(answers, confidence, test["labels"], table.classes)
    arrays = {"exhibits": {"images": np.asarray(table.images[test["ids"][shown]]), "ids": test["ids"][shown]}}
    if (layer := map_layer(model)) is None:
        return arrays, {}
    maps = normalised(grad_cam(model, layer, np.asarray(table.images[test["ids"][explained]]), answers[explained]))
    arrays["attention"] = {"ids": test["ids"][explained], "maps": maps}
    return arrays, {"layer": layer.name, "side": int(maps.shape[1])}


def load_model(run: Record, classes: int, *, build: Build | None = None) -> keras.Model:
    """The run's network, built from code in the precision it was trained in, with its published weights.

    Raises:
        StoreError: a file cannot be trusted, or the run diverged before it had weights.
    """
    if "weights.weights.h5" not in run.manifest["files"]:
        raise StoreError(
            "the run has no weights to evaluate", where=run.folder, received=f"status {run.manifest['status']}",
            expected="at least one finished epoch", hint="lower the learning rate or lengthen the warm-up",
        )  # fmt: skip
    run.bytes("weights.weights.h5")  # raises unless it is what was published
    check_contained(run.folder / "weights.weights.h5")
    resolved = run.manifest["resolved"]
    precision = Precision(resolved["precision"], resolved["precision_reason"], resolved["fused_batch_norm"])
    momentum = resolved["batch_norm_momentum"] or 0.99
    model = build_model(read_spec(run), classes, precision, momentum=momentum, build=build)
    model.load_weights(run.folder / "weights.weights.h5")
    return model


def read_spec(run: Record) -> RunSpec:
    """The spec that a run was trained by, from its `spec.json`; what only locates or presents the data is not there."""
    identity = run.json("spec.json")
    fold = identity.get("fold")
    return RunSpec(
        dataset=identity["dataset"],
        data=DatasetSpec(reader="", **identity["data"]),
        network=identity["network"],
        options=NetworkOptions(**identity["options"]),
        recipe=Recipe(**identity["recipe"]),
        seed=identity["seed"],
        fold=Fold(**fold) if fold else None,
    )


def predicted(predictor: Predictor, table: ImageTable, ids: np.ndarray, *, flip: bool = False) -> dict[str, np.ndarray]:
    """`probabilities` float16 (N, K), `labels` and `ids` int32 (N,), rows in the order of `ids`; with more than 1,000
    classes the 20 largest probabilities in falling order, and `classes` int32 (N, 20)."""
    probabilities = predictor(table.images, ids)
    if flip:
        probabilities = (probabilities + predictor(table.images[:, :, ::-1], ids)) / 2
    found = {"labels": table.labels[ids].astype(np.int32), "ids": np.asarray(ids, np.int32)}
    if probabilities.shape[1] > MOST_CLASSES:
        kept = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        found["classes"] = kept.astype(np.int32)
        probabilities = np.take_along_axis(probabilities, kept, axis=1)
    return {"probabilities": probabilities.astype(np.float16), **found}


def top(part: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted class and its probability, (N,) each, from the stored float16 values as every reader finds them."""
    probabilities = part["probabilities"]
    rows, column = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return (part["classes"][rows, column] if "classes" in part else column), probabilities[rows, column]
