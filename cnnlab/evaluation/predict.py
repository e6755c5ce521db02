"""From a run record to the evaluation record: its probabilities on every split, and the images worth showing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.backend import keras
from cnnlab.errors import DataError, StoreError
from cnnlab.evaluation.attention import explain, first_filters, sample
from cnnlab.evaluation.exhibits import choose, explained
from cnnlab.identity import EVALUATION_VERSION, evaluation_id
from cnnlab.layers.weights import check_contained
from cnnlab.spec import SPLITS, DatasetSpec, Fold, NetworkOptions, Recipe, RunSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training.loop import Predictor
from cnnlab.training.model import Build, build_model
from cnnlab.training.precision import Precision

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
        The evaluation record, the one already there if there is one. `predictions.npz` holds for each split s
        `s_probabilities` float16 (N, K), `s_labels` and `s_ids` int32 (N,), rows in the order of the split; with more
        than 1,000 classes the 20 largest probabilities in falling order, and `s_classes` int32 (N, 20). The manifest's
        `correct` counts what the first largest of these float16 values gets right, its `test_use` how many evaluations
        had looked at these test images by then, this one included. `exhibits.npz`: see `choose`. `attention.npz`: `ids`
        int32 (n,) and what `explain` gives of the images themselves, not mirrored: of those that `explained` chooses,
        and of a `sample` of the test images; the manifest's `attention` says which layer's map it is. `filters.npz`:
        `filters`, see `first_filters`. Either file is left out where the network has nothing to put into it.

    Raises:
        StoreError: the run's files cannot be trusted, or it has no weights.
        DataError: the images are not those the run was trained on, or it is a fold of a cross-validation.
    """
    spec = read_spec(run)
    if spec.fold is not None:
        raise DataError(
            "a fold of a cross-validation is not evaluated: that would look at the test images once for each fold",
            where=run.folder,
            received=f"fold {spec.fold.index + 1} of {spec.fold.of}",
            hint="its accuracy is that on its own validation images, in history.csv",
        )
    record_id = evaluation_id(run.id, flip=flip)
    with store.lock(record_id):
        if store.has("evaluation", record_id):
            return store.read("evaluation", record_id)
        if run.manifest["fingerprint"] != table.fingerprint:
            raise DataError(
                "the images are not those that the run was trained on",
                where=run.folder,
                received=f"fingerprint {table.fingerprint}",
                expected=f"fingerprint {run.manifest['fingerprint']}",
                hint="run the lab again, it trains on the data as they are now",
            )
        started = time.perf_counter()
        predictor = predict or Predictor(load_model(run, len(table.classes), build=build))
        split = spec.data.split.model_dump(mode="json")
        uses = store.note_test_use(table.fingerprint, split, evaluation=record_id)
        arrays: dict[str, Any] = {}
        correct = {}
        for name in SPLITS:
            part = _predicted(predictor, table, getattr(splits, name), flip=flip)
            correct[name] = int((_top(part)[0] == part["labels"]).sum())
            arrays |= {f"{name}_{key}": value for key, value in part.items()}
        fields = {
            "run": run.id,
            "weights": run.manifest["files"].get("weights.weights.h5"),
            "splits": {name: len(getattr(splits, name)) for name in SPLITS},
            "correct": correct,
            "flip": flip,
            "test_use": uses,
            "version": EVALUATION_VERSION,
        }
        test = {key.removeprefix("test_"): value for key, value in arrays.items() if key.startswith("test_")}
        fields["attention"], attention = _attention(predictor, test, table)
        files = {
            "predictions": arrays,
            "exhibits": _exhibits(test, table),
            "attention": attention,
            "filters": _filters(predictor.model),
        }

        def write(folder: Path) -> dict[str, Any]:
            for name, content in files.items():
                if content:
                    np.savez_compressed(folder / f"{name}.npz", **content)
            return {**fields, "seconds": round(time.perf_counter() - started, 3)}

        return store.publish("evaluation", record_id, write)


def load_model(run: Record, classes: int, *, build: Build | None = None) -> keras.Model:
    """The run's network, built from code in the precision it was trained in, with its published weights.

    Raises:
        StoreError: a file cannot be trusted, or the run diverged before it had weights.
    """
    if "weights.weights.h5" not in run.manifest["files"]:
        raise StoreError(
            "the run has no weights to evaluate",
            where=run.folder,
            received=f"status {run.manifest['status']}",
            expected="at least one finished epoch",
            hint="lower the learning rate or lengthen the warm-up",
        )
    run.bytes("weights.weights.h5")  # raises unless it is what was published
    check_contained(run.folder / "weights.weights.h5")
    resolved = run.manifest["resolved"]
    precision = Precision(resolved["precision"], resolved["precision_reason"], resolved["fused_batch_norm"])
    momentum = resolved["batch_norm_momentum"]
    model = build_model(
        read_spec(run), classes, precision, momentum=0.99 if momentum is None else momentum, build=build
    )
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


def _predicted(
    predictor: Predictor, table: ImageTable, ids: np.ndarray, *, flip: bool = False
) -> dict[str, np.ndarray]:
    """One split's arrays, without the split's name."""
    probabilities = predictor(table.images, ids)
    if flip:
        probabilities = (probabilities + predictor(table.images[:, :, ::-1], ids)) / 2
    found = {"labels": table.labels[ids].astype(np.int32), "ids": np.asarray(ids, np.int32)}
    if probabilities.shape[1] > MOST_CLASSES:
        kept = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        found["classes"] = kept.astype(np.int32)
        probabilities = np.take_along_axis(probabilities, kept, axis=1)
    return {"probabilities": probabilities.astype(np.float16), **found}


def _top(part: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted class and its probability, (N,) each, from the stored float16 values as every reader finds them."""
    probabilities = part["probabilities"]
    column = probabilities.argmax(axis=1)
    rows = np.arange(len(column))
    return (part["classes"][rows, column] if "classes" in part else column), probabilities[rows, column]


def _exhibits(test: dict[str, Any], table: ImageTable) -> dict[str, Any]:
    ids = test["ids"][choose(*_top(test), test["labels"], table.classes)]
    return {"images": np.asarray(table.images[ids]), "ids": ids}


def _attention(
    predictor: Predictor, test: dict[str, Any], table: ImageTable
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the manifest says of the maps, and `attention.npz`."""
    predicted, confidence = _top(test)
    shown = explained(predicted, confidence, test["labels"], table.classes)
    sampled = sample(predicted == test["labels"])
    positions = np.union1d(shown, sampled)
    ids = test["ids"][positions]
    images = np.asarray(table.images[ids])
    about, arrays = explain(
        predictor.model, predictor, images, np.asarray(predicted)[positions], np.isin(positions, sampled)
    )
    return about, {"ids": ids, **arrays} if arrays else {}


def _filters(model: keras.Model) -> dict[str, np.ndarray]:
    filters = first_filters(model)
    return {} if filters is None else {"filters": filters}
