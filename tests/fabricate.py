"""A run store with every kind of record, made in a second without a framework, for tests of the document side.

The numbers are drawn from a seeded generator: they exercise the report, they are no results.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.registry import NETWORKS
from cnnlab.spec import DatasetSpec, EarlyStopping, Recipe, RunSpec, Split
from cnnlab.store import RunStore

SIZE = 32
SHOWN_LEAKS = 12
FINGERPRINT = "f" * 64
PUBLISHED = {  # parameters, trainable, multiply-adds, activations, convolutions, dense
    "vgg19": (143_667_240, 143_667_240, 19_632_062_464, 16_542_184, 16, 3),
    "alexnet": (60_965_224, 60_965_224, 724_406_816, 932_264, 5, 3),
    "resnet50": (25_636_712, 25_583_592, 3_857_973_248, 10_587_112, 53, 1),
}
VGG_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_START = """\
from keras import Input
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential

modelVGG19 = Sequential()
modelVGG19.add(Input((224, 224, 3)))
"""
_CODE = {
    "Conv2D": 'modelVGG19.add(Conv2D({filters}, (3, 3), strides=(1, 1), activation="relu", padding="same"))',
    "MaxPooling2D": "modelVGG19.add(MaxPooling2D((2, 2), strides=(2, 2)))",
    "Flatten": "modelVGG19.add(Flatten())",
    "Dense": 'modelVGG19.add(Dense({filters}, activation="{activation}"))',
}
_PRINT = "print(modelVGG19.output_shape)"


def write_store(
    root: Path,
    *,
    stem: str = "demo",
    language: str = "es",
    classes: Mapping[str, Sequence[str]] | None = None,
    networks: Mapping[str, Sequence[str]] | None = None,
    skill: Mapping[str, float] | None = None,
    seeds: Sequence[int] = (0,),
    recipe: Mapping[str, Any] | None = None,
    resolved: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, float]] | None = None,
    dataset: Mapping[str, Any] | None = None,
    findings: Sequence[Mapping[str, Any]] | None = None,
    split: Mapping[str, Any] | None = None,
    leaks: Mapping[str, Sequence[tuple[int, int, bool]]] | None = None,
) -> RunStore:
    """Fill `root` with records and a lab lock.

    Args:
        classes: class names by data set; the two data sets answer parts 2.1 and 2.2.
        networks: networks by data set.
        skill: by network, the share of images for which the true class gets the highest score.
        recipe, resolved: what differs from the usual in every run's recipe and in what it resolved to.
        history: rows of every run's history; what a row leaves out is as usual.
        dataset: what differs from the usual in both data sets' manifests.
        findings: of both data sets' scans; a leak's finding is added by itself.
        split: what differs from the usual in both data sets' `split`, such as `policy`, `seed` or `leaks`.
        leaks: by data set, (leaked row, row of its copy, whether exact), ordered by the first. Of the 40 rows of each
            class the first 20 are training, the next 10 validation and the last 10 test images.
    """
    classes = classes or {"clothes": ["shirt", "trouser", "coat", "bag"], "digits": ["0", "1", "2"]}
    networks = networks or {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet", "resnet50"]}
    skill = skill or {"alexnet": 0.7, "vgg19": 0.8, "resnet50": 0.75}
    store = RunStore(root)
    architectures = {name: _architecture(store, name, 224, 1000) for name in PUBLISHED}
    datasets, runs = {}, []
    for name, names in classes.items():
        spec = DatasetSpec(reader="folder", image_size=SIZE, split=_split(split or {}))
        datasets[name] = _dataset(store, name, spec, list(names), dataset or {}, findings, (leaks or {}).get(name, ()))
        for network in networks[name]:
            for seed in seeds:
                runs.append(
                    _run(
                        store, name, spec, network, seed, list(names), skill[network], datasets[name],
                        recipe=recipe or {}, resolved=resolved or {}, history=history,
                    )
                )  # fmt: skip
    first, second = list(classes)[:2]
    store.write_lab(
        stem,
        {
            "stem": stem,
            "lab": {"title": "A lab <1>", "authors": ["Ana", "Luis"], "course": None, "language": language},
            "parts": {"2_1": {"dataset": first, "primary": None}, "2_2": {"dataset": second, "primary": None}},
            "datasets": datasets,
            "runs": runs,
            "architectures": architectures,
        },
    )
    return store


def _split(changed: Mapping[str, Any]) -> Split:
    """The authors' own division takes no shares."""
    own = {} if changed.get("policy") == "official" else {"train": 0.5, "validation": 0.25, "test": 0.25}
    return Split(**{**own, **changed})


def _json(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def _vgg19_layers() -> list[dict[str, Any]]:
    layers, side, channels = [], 224, 3
    for block, (convolutions, filters) in enumerate(VGG_BLOCKS, 1):
        for index in range(1, convolutions + 1):
            count = 9 * channels * filters + filters
            layers.append(
                _layer(f"block{block}_conv{index}", "Conv2D", f"block{block}", [side, side, filters], count,
                       f"(3·3·{channels} + 1)·{filters}", side * side * 9 * channels * filters, filters)
            )  # fmt: skip
            channels = filters
        side //= 2
        layers.append(_layer(f"block{block}_pool", "MaxPooling2D", f"block{block}", [side, side, channels], 0, "", 0))
    layers.append(_layer("flatten", "Flatten", "head", [25088], 0, "", 0))
    for name, inputs, units in (("fc1", 25088, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000)):
        count = inputs * units + units
        layers.append(_layer(name, "Dense", "head", [units], count, f"({inputs} + 1)·{units}", inputs * units, units))
    return layers


def _layer(
    name: str, kind: str, block: str, shape: list[int], count: int, formula: str, macs: int, filters: int | None = None
) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "block": block, "output_shape": shape, "kernel": [3, 3] if kind == "Conv2D" else None,
        "strides": [1, 1] if kind == "Conv2D" else None, "padding": "same", "groups": 1, "filters": filters,
        "activation": "relu", "parameters": count, "trainable": count, "formula": formula, "formula_parameters": count,
        "multiply_adds": macs, "activations": int(np.prod(shape)),
    }  # fmt: skip


def _construction(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = [(f"block{i}", [row for row in layers if row["block"] == f"block{i}"]) for i in range(1, 6)]
    groups += [("flatten", [layers[-4]]), ("fc6", [layers[-3]]), ("fc7", [layers[-2]]), ("fc8", [layers[-1]])]
    steps, total = [], 0
    for block, rows in groups:
        added = sum(row["parameters"] for row in rows)
        total += added
        lines = [
            _CODE[row["kind"]].format(
                filters=row["filters"], activation="softmax" if row["name"] == "predictions" else "relu"
            )
            for row in rows
        ]
        if block.startswith("block"):
            lines.insert(-1, _PRINT)
        code = (_START if block == "block1" else "") + "\n".join([*lines, _PRINT])
        shapes = [(None, *row["output_shape"]) for row in (rows[-2:] if block.startswith("block") else rows)]
        steps.append(
            {
                "block": block,
                "title": block,
                "code": code,
                "output": "\n".join(map(str, shapes)) + "\n",
                "outputs": [{"after": row["name"], "shape": row["output_shape"]} for row in rows[-2:]],
                "summary": 'Model: "sequential"\n' + "\n".join(f"{row['name']}  {row['parameters']:,}" for row in rows),
                "parameters": total,
                "formula_parameters": total,
                "added_parameters": added,
                "layers": [row["name"] for row in rows],
            }
        )
    return steps


def _architecture(store: RunStore, network: str, size: int, classes: int) -> str:
    record = f"{network}-{size}-0000000{len(network)}"
    parameters, trainable, macs, activations, convolutions, dense = PUBLISHED[network]
    small = size != 224

    def write(folder: Path) -> dict[str, Any]:
        layers = _vgg19_layers() if network == "vgg19" else [
            _layer("conv1", "Conv2D", "stage1", [55, 55, 96], 34_944, "(11·11·3 + 1)·96", 105_415_200, 96),
            _layer("predictions", "Dense", "head", [classes], parameters - 34_944, "", macs - 105_415_200, classes),
        ]  # fmt: skip
        _json(folder, "layers.json", layers)
        (folder / "summary.txt").write_text(f'Model: "{network}"\n Total params: {parameters:,}\n')
        if network == "vgg19" and not small:
            _json(folder, "construction.json", _construction(layers))
        return {
            "network": network, "title": NETWORKS[network].title, "image_size": size, "classes": classes,
            "options": {}, "version": 1, "parameters": parameters, "trainable": trainable, "multiply_adds": macs,
            "activations": activations, "weighted_layers": {"convolution": convolutions, "dense": dense},
            "adaptations": [{"code": "stem", "published": "11x11/4", "used": "5x5/1"}] if small else [],
        }  # fmt: skip

    if not store.has("architecture", record):
        store.publish("architecture", record, write)
    return record


def _dataset(
    store: RunStore, name: str, spec: DatasetSpec, names: list[str], manifest: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]] | None, leaks: Sequence[tuple[int, int, bool]],
) -> dict[str, Any]:  # fmt: skip
    record, per_class, k = f"{name}-{FINGERPRINT[:8]}-00000000", 40, len(names)
    generator = np.random.default_rng(len(name))

    def write(folder: Path) -> dict[str, Any]:
        labels = np.repeat(np.arange(k, dtype=np.int32), per_class)
        ids = np.arange(k * per_class, dtype=np.int32).reshape(k, per_class)
        half, quarter = per_class // 2, per_class // 4
        pairs = np.array([pair[:2] for pair in leaks], dtype=np.int32).reshape(-1, 2)
        gone = pairs[:, 0] if spec.split.leaks == "exclude" else pairs[:0, 0]
        splits = {"train": ids[:, :half], "validation": ids[:, half : half + quarter], "test": ids[:, half + quarter :]}
        rows = {split: np.setdiff1d(part, gone) for split, part in splits.items()}
        np.savez(folder / "splits.npz", labels=labels, **rows)  # type: ignore[arg-type]
        sizes = {split: np.bincount(labels[part], minlength=k).tolist() for split, part in rows.items()}
        _json(folder, "classes.json", [
            {"index": i, "id": text, "name": text, "images": per_class, **{split: n[i] for split, n in sizes.items()}}
            for i, text in enumerate(names)
        ])  # fmt: skip
        found = {"kind": "duplicate", "severity": "warning", "count": 2, "sources": ["a.png", "b.png"],
                 "detail": {"groups": 1, "with_other_label": 0}}  # fmt: skip
        _json(folder, "findings.json", [
            *([found] if findings is None else findings), *_leak_finding(spec, labels, leaks),
        ])  # fmt: skip
        shown = pairs[:SHOWN_LEAKS]
        pictures = generator.integers(0, 255, (*shown.shape, SIZE, SIZE, 3), dtype=np.uint8)
        np.savez(folder / "leaks.npz", pairs=pairs, exact=np.array([pair[2] for pair in leaks], dtype=bool),
                 images=pictures, labels=labels[shown])  # fmt: skip
        images = generator.integers(0, 255, (2 * k, SIZE, SIZE, 3), dtype=np.uint8)
        np.savez(folder / "exhibits.npz", images=images, ids=ids[:, :2].ravel(),
                 labels=np.repeat(np.arange(k, dtype=np.int32), 2))  # fmt: skip
        return {
            "fingerprint": FINGERPRINT, "name": name, "title": name.title(), "credit": f"{name} credit (MIT)",
            "stand_in_for": "mini-ImageNet" if name == "clothes" else None, "image_size": SIZE, "fit": "crop",
            "images": k * per_class, "classes": k, "original": {"height": 28, "width": 28, "channels": 1},
            "source": "folder test", "split": spec.split.model_dump(mode="json"),
            "near_searched": True, "validation_drawn": True, "test_is_validation": False, **manifest,
        }  # fmt: skip

    if not store.has("dataset", record):
        store.publish("dataset", record, write)
    return {"record": record, "fingerprint": FINGERPRINT, "identity": spec.identity()}


def _leak_finding(
    spec: DatasetSpec, labels: np.ndarray, leaks: Sequence[tuple[int, int, bool]]
) -> list[dict[str, Any]]:
    if not leaks:
        return []
    excluded = spec.split.leaks == "exclude"
    detail = {
        "exact": sum(exact for _, _, exact in leaks),
        "other_label": sum(int(labels[leaked] != labels[copy]) for leaked, copy, _ in leaks),
        "excluded": int(excluded),
    }
    sources = [f"{leaked}.png = {copy}.png" for leaked, copy, _ in leaks[:20]]
    severity = "info" if excluded else "warning"
    return [{"kind": "leak", "severity": severity, "count": len(leaks), "detail": detail, "sources": sources}]


def _run(
    store: RunStore, dataset: str, data: DatasetSpec, network: str, seed: int, names: list[str], skill: float,
    entry: dict[str, Any], *, recipe: Mapping[str, Any], resolved: Mapping[str, Any],
    history: Sequence[Mapping[str, float]] | None,
) -> dict[str, Any]:  # fmt: skip
    usual = {
        "learning_rate": 0.02, "epochs": 6, "augmentation": ("flip",), "early_stopping": EarlyStopping(patience=3),
    }  # fmt: skip
    spec = RunSpec(dataset=dataset, data=data, network=network, recipe=Recipe(**{**usual, **recipe}), seed=seed)
    run_id = spec.run_id(FINGERPRINT)
    architecture = _architecture(store, network, SIZE, len(names))
    splits = store.read("dataset", entry["record"]).arrays("splits.npz")
    generator = np.random.default_rng([seed, len(network), len(names)])

    def write_run(folder: Path) -> dict[str, Any]:
        _json(folder, "spec.json", {**spec.identity(FINGERPRINT), "dataset": dataset})
        _history(folder / "history.csv", skill, history)
        (folder / "weights.weights.h5").write_bytes(b"no weights in a fabricated run")
        (folder / "train.log").write_text("fabricated\n")
        return {
            "dataset": dataset, "dataset_record": entry["record"], "fingerprint": FINGERPRINT, "network": network,
            "seconds": 61.5, "hardware": {"cpu": "Test CPU", "cores": 2, "memory_gib": 24.0, "accelerator": None,
            "bfloat16": True}, "versions": {"python": "3.11.7", "cnnlab": "0.1.0", "keras": "3.15.1",
            "tensorflow": "2.21.0", "numpy": "2.4.6"}, "git": {"commit": "abc1234", "dirty": False},
            "resolved": {
                "precision": "mixed_bfloat16", "precision_reason": "amx_bf16", "epochs_requested": 6,
                "epochs_planned": 6, "epochs_run": 6, "best_epoch": 5, "stopped": "completed", "steps_per_epoch": 10,
                "images": {"train": int(splits["train"].size), "validation": int(splits["validation"].size)},
                "parameters": 1_234_567, "seconds_per_epoch": 10.0, "images_per_second": 130.0,
                "predicted_seconds": 60.0, "budget_seconds": None, "shortened": False, "batch_norm_momentum": 0.9,
                "resumed": 0, **resolved,
            },
        }  # fmt: skip

    def write_evaluation(folder: Path) -> dict[str, Any]:
        arrays: dict[str, np.ndarray] = {}
        for split, bonus in (("train", 0.15), ("validation", 0.02), ("test", 0.0)):
            labels = splits["labels"][splits[split]]
            scores = generator.normal(0, 0.6, (labels.size, len(names)))
            right = generator.random(labels.size) < skill + bonus
            target = np.where(
                right, labels, (labels + 1 + generator.integers(0, len(names) - 1, labels.size)) % len(names)
            )
            scores[np.arange(labels.size), target] += 3
            probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            arrays |= {
                f"{split}_probabilities": probabilities.astype(np.float16), f"{split}_labels": labels,
                f"{split}_ids": splits[split],
            }  # fmt: skip
        np.savez(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]
        images = generator.integers(0, 255, (splits["test"].size, SIZE, SIZE, 3), dtype=np.uint8)
        np.savez(folder / "exhibits.npz", images=images, ids=splits["test"])
        return {
            "run": run_id,
            "seconds": 2.0,
            "splits": {s: int(splits[s].size) for s in ("train", "validation", "test")},
        }

    store.publish("run", run_id, write_run)
    evaluation = store.publish("evaluation", f"{run_id}-00000000", write_evaluation)
    return {
        "dataset": dataset, "network": network, "seed": seed, "run": run_id, "evaluation": evaluation.id,
        "architecture": architecture,
    }  # fmt: skip


def _history(path: Path, skill: float, rows: Sequence[Mapping[str, float]] | None) -> None:
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
               "images_per_second", "running_loss"]  # fmt: skip
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for epoch, row in enumerate(rows or [{}] * 6, 1):
            gain = 1 - 0.5**epoch
            usual = {
                "epoch": epoch, "loss": 2 - 1.6 * gain, "accuracy": min(1.0, gain * skill + 0.1),
                "val_loss": 2 - 1.3 * gain + (0.2 if epoch == 6 else 0), "val_accuracy": gain * skill,
                "learning_rate": 0.02 * (1 - epoch / 7), "seconds": 10.0, "images_per_second": 130.0,
                "running_loss": 2.1 - 1.5 * gain,
            }  # fmt: skip
            writer.writerow({**usual, **row})
