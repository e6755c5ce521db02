"""A run store with every kind of record, made in a second without a framework, for tests of the document side.

The numbers are drawn from a seeded generator: they exercise the report, they are no results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cnnlab.identity import make_run_id, run_identity
from cnnlab.spec import DatasetSpec, EarlyStopping, Fold, Recipe, RunSpec, Split
from cnnlab.store.store import RunStore
from tests.fabricate_architectures import PUBLISHED, SIZE, write_architecture
from tests.fabricate_tuning import (
    FINGERPRINT,
    run_manifest,
    write_baseline,
    write_diverged,
    write_fold,
    write_history,
    write_search,
)

Options = Mapping[str, Any]
NONE: Options = MappingProxyType({})
SHOWN_LEAKS = 12
CLASSES = {"clothes": ["shirt", "trouser", "coat", "bag"], "digits": ["0", "1", "2"]}
NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet", "resnet50"]}
SKILL = {"alexnet": 0.7, "vgg19": 0.8, "resnet50": 0.75}
DUPLICATE = {
    "kind": "duplicate", "severity": "warning", "count": 2, "sources": ["a.png", "b.png"],
    "detail": {"groups": 1, "with_other_label": 0},
}  # fmt: skip


def write_store(
    root: Path, *, stem: str = "demo", language: str = "es", classes: Options = CLASSES, networks: Options = NETWORKS,
    skill: Options = SKILL, bonus: Options = NONE, per_class: int = 40, seeds: Sequence[int] = (0,), recipe: Options = NONE,
    resolved: Options = NONE, history: Sequence[Options] = ({},) * 6, dataset: Options = NONE,
    findings: Sequence[Options] = (DUPLICATE,), split: Options = NONE, leaks: Options = NONE, sanity: Options | None = None,
    folds: Options = NONE, searches: Options = NONE, baselines: Options = NONE, diverged: Options = NONE,
    insight: Options | None = NONE, flip: bool = False, test_uses: int | None = None, time: Options = NONE,
) -> RunStore:  # fmt: skip
    """Fill `root` with records and a lab lock.

    Args:
        classes: class names by data set; the two data sets answer parts 2.1 and 2.2.
        networks: networks by data set.
        skill: by network, the share of images for which the true class gets the highest score.
        recipe, resolved: what differs from the usual in every run's recipe and in what it resolved to.
        bonus: by split, how much larger that share is than on test.
        per_class: images of each class; half train, a quarter each validate and test.
        history: rows of every run's history; what a row leaves out is as usual.
        dataset: what differs from the usual in both data sets' manifests.
        findings: of both data sets' scans; a leak's finding is added by itself.
        split: what differs from the usual in both data sets' `split`, such as `policy`, `seed` or `leaks`.
        leaks: by data set, (leaked row, row of its copy, whether exact), ordered by the first. Of the 40 rows of each
            class the first 20 are training, the next 10 validation and the last 10 test images.
        sanity: every run's `sanity.json`; without it, or any that follows, the records are as older ones.
        folds: by network, the accuracy of each fold, None for one that failed.
        searches: by network, `search` and `trials` as `write_search` takes them, or nothing for the usual ones.
        baselines: by data set, what `write_baseline` takes as changed.
        diverged: by network, why its training diverged, on both data sets.
        insight: `maps` 0-255, (4, 4) of all test images or (N, 4, 4); None for evaluations without maps.
        flip, test_uses, time: as in the lab lock.
    """
    store, datasets, runs = RunStore(root), {}, []
    architectures = {name: write_architecture(store, name, 224, 1000) for name in PUBLISHED}
    for name, names in classes.items():
        # the authors' own division takes no shares
        shares = {} if split.get("policy") == "official" else {"train": 0.5, "validation": 0.25, "test": 0.25}
        spec = DatasetSpec(reader="folder", image_size=SIZE, split=Split(**{**shares, **split}))
        datasets[name] = _dataset(store, name, spec, list(names), dataset, findings, leaks.get(name, ()), per_class)
        for network in networks[name]:
            for seed in seeds:
                asked = _spec(name, spec, network, seed, recipe)
                found = _run(
                    store, asked, list(names), skill[network], datasets[name]["record"], resolved=resolved, history=history,
                    sanity=sanity, insight=insight, bonus={"train": 0.15, "validation": 0.02, **bonus},
                )  # fmt: skip
                if network in searches:
                    plain = _spec(name, DatasetSpec(reader="folder", image_size=SIZE), network, 0, recipe)
                    found["search"] = write_search(store, plain, **searches[network])
                runs.append(found)
        for network, reason in diverged.items():
            runs.append(write_diverged(store, _spec(name, spec, network, 0, recipe), reason, sanity))
        for network in networks[name]:
            accuracies = folds.get(network, ())
            for index, accuracy in enumerate(accuracies):
                fold = Fold(index=index, of=len(accuracies))
                runs.append(write_fold(store, _spec(name, spec, network, 0, recipe), fold, accuracy))
    measured = {
        name: write_baseline(store, name, store.read("dataset", datasets[name]["record"]).arrays("splits.npz"),
                             len(classes[name]), changed)
        for name, changed in baselines.items()
    }  # fmt: skip
    locked = {"test_uses": test_uses} if test_uses is not None else {}
    first, second = list(classes)[:2]
    content = {
        "stem": stem,
        "lab": {"title": "A lab <1>", "authors": ["Ana", "Luis"], "course": None, "language": language},
        "parts": {"2_1": {"dataset": first, "primary": None}, "2_2": {"dataset": second, "primary": None}},
        "datasets": {name: {**entry, **locked} for name, entry in datasets.items()},
        "runs": [{**entry, **({"flip": flip} if flip else {})} for entry in runs],
        "architectures": architectures,
        **({"baselines": measured} if measured else {}),
        **({"time": dict(time)} if time else {}),
    }
    store.write_lab(stem, content)
    return store


def _spec(dataset: str, data: DatasetSpec, network: str, seed: int, recipe: Options) -> RunSpec:
    usual = {
        "learning_rate": 0.02, "epochs": 6, "augmentation": ("flip",), "early_stopping": EarlyStopping(patience=3),
    }  # fmt: skip
    return RunSpec(dataset=dataset, data=data, network=network, recipe=Recipe(**{**usual, **recipe}), seed=seed)


def _json(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def _dataset(
    store: RunStore, name: str, spec: DatasetSpec, names: list[str], manifest: Options, findings: Sequence[Options],
    leaks: Sequence[tuple[int, int, bool]], per_class: int,
) -> dict[str, Any]:  # fmt: skip
    record, k = f"{name}-{FINGERPRINT[:8]}-00000000", len(names)
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
        _json(folder, "findings.json", [*findings, *_leak_finding(spec, labels, leaks)])
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
    store: RunStore, spec: RunSpec, names: list[str], skill: float, record: str, *, resolved: Options,
    history: Sequence[Options], sanity: Options | None, insight: Options | None, bonus: Options,
) -> dict[str, Any]:  # fmt: skip
    dataset, network, seed, run_id = spec.dataset, spec.network, spec.seed, make_run_id(spec, FINGERPRINT)
    architecture = write_architecture(store, network, SIZE, len(names))
    splits = store.read("dataset", record).arrays("splits.npz")
    generator = np.random.default_rng([seed, len(network), len(names)])

    def write_run(folder: Path) -> dict[str, Any]:
        _json(folder, "spec.json", {**run_identity(spec, FINGERPRINT), "dataset": dataset})
        write_history(folder / "history.csv", skill, history)
        (folder / "weights.weights.h5").write_bytes(b"no weights in a fabricated run")
        (folder / "train.log").write_text("fabricated\n")
        if sanity is not None:
            _json(folder, "sanity.json", sanity)
        sizes = {split: int(splits[split].size) for split in ("train", "validation")}
        return run_manifest(dataset, network, sizes, resolved)

    def write_evaluation(folder: Path) -> dict[str, Any]:
        arrays: dict[str, np.ndarray] = {}
        for split in ("train", "validation", "test"):
            labels = splits["labels"][splits[split]]
            scores = generator.normal(0, 0.6, (labels.size, len(names)))
            right = generator.random(labels.size) < skill + bonus.get(split, 0.0)
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
        sizes = {split: int(splits[split].size) for split in ("train", "validation", "test")}
        manifest = {"run": run_id, "seconds": 2.0, "splits": sizes}
        if insight is None:
            return manifest
        maps = np.asarray(insight.get("maps", np.random.default_rng(0).integers(0, 256, (sizes["test"], 4, 4))))
        maps = np.broadcast_to(maps, (sizes["test"], 4, 4)) if maps.ndim == 2 else maps[: sizes["test"]]
        np.savez(folder / "attention.npz", ids=splits["test"], maps=np.asarray(maps, np.uint8))
        return {**manifest, "attention": {"layer": "conv5", "side": 4}}

    store.publish("run", run_id, write_run)
    evaluation = store.publish("evaluation", f"{run_id}-00000000", write_evaluation)
    return {
        "dataset": dataset, "network": network, "seed": seed, "run": run_id, "evaluation": evaluation.id,
        "architecture": architecture,
    }  # fmt: skip
