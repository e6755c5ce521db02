"""What each network knows after the same minutes: cnnlab's recipe and Keras's stock recipe, on the same photographs.

    python benchmarks/recipes.py tarea1 --profile cpu --minutes 3 [--networks alexnet …] [--datasets places-25 …]

Both train on the lab's training images for the given wall time, building and tracing included, and are judged on all test
images: accuracy with its 95 % Wilson interval, the exact McNemar test between the two. The stock recipe is
`keras.applications` (AlexNet as tutorials write it) with `compile("adam")`, float32 and mirrored images, from arrays in memory,
stopped when the time is over; its last weights are kept. cnnlab fits its epochs, and with them its schedule, to the time.

    python benchmarks/recipes.py tarea1 --profile cpu --ablate [--seeds 4] [--epochs 8] [--train-per-class 80]

trains AlexNet with the lab's recipe, and with each option of a recipe on or off, for the same epochs, and prints the
accuracy on the validation images, mean and range over seeds, and the difference to the lab's recipe with its 95 % interval
(Student's t of the differences seed by seed). Each seed draws the initial weights, the order and the augmentation anew.
With `--networks resnet50` it compares that network's two stems for small images, at about the same cost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = ("alexnet", "vgg19", "resnet50")

VARIANTS: dict[str, dict[str, Any]] = {
    "the lab's recipe": {},
    "no warm-up": {"warmup": 0.0},
    "constant rate": {"schedule": "constant"},
    "no weight decay": {"weight_decay": 0.0},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "moving average 0.99": {"ema": 0.99},
    "+ crop": {"augmentation": ["flip", "crop"]},
    "no augmentation": {"augmentation": []},
    "+ erase": {"augmentation": ["flip", "erase"]},
    "+ randaugment": {"augmentation": ["flip", "randaugment"]},
    "+ mixup": {"augmentation": ["flip", "mixup"]},
    "float32": {"precision": "float32"},
}

STEMS: dict[str, dict[str, Any]] = {
    "the lab's recipe": {},
    "published stem, four times the epochs": {"stem": "published", "times": 4},
}
"""For ResNet-50 below 112 pixels: the maps twice as wide that cnnlab gives it, or the published ones at about a quarter of the cost."""


def opened(arguments: argparse.Namespace, dataset: str) -> tuple[Any, Any, Any, Any]:
    """The lab, the data set's spec, its table and its splits."""
    from cnnlab.datasets.split import split_images
    from cnnlab.lab import load_lab
    from cnnlab.paths import data_dir
    from cnnlab.readers import open_dataset

    lab = load_lab(arguments.lab, profile=arguments.profile)
    spec = lab.file.datasets[dataset]
    table = open_dataset(dataset, spec, data_dir=data_dir(), report_progress=lambda *_: None)
    return lab, spec, table, split_images(table, spec.split)


def run_spec(lab: Any, dataset: str, network: str, seed: int = 0, stem: str = "auto", **changes: Any) -> Any:
    """The network on the data set, by the lab's recipe for it or for networks of its kind."""
    from cnnlab.spec import NetworkOptions, Recipe, RunSpec

    name = "normalised" if network == "resnet50" else "plain"
    recipe = Recipe.model_validate({**lab.file.recipes[name].model_dump(), **changes})
    options = NetworkOptions.model_validate({"stem": stem})
    data = lab.file.datasets[dataset]
    return RunSpec(dataset=dataset, data=data, network=network, options=options, recipe=recipe, seed=seed)


def ours(arguments: argparse.Namespace, dataset: str, network: str) -> dict[str, Any]:
    """Train for the time and predict the test images."""
    from rich.console import Console

    from cnnlab.progress import Progress
    from cnnlab.store.store import RunStore
    from cnnlab.training.run import train_model

    lab, _, table, splits = opened(arguments, dataset)
    started = time.perf_counter()
    spec = run_spec(lab, dataset, network, stem=arguments.stem, epochs=200, early_stopping=None)
    with tempfile.TemporaryDirectory() as work:
        budget = 60 * arguments.minutes - (time.perf_counter() - started)
        options = {"store": RunStore(Path(work)), "budget_seconds": budget, "progress": Progress(Console(quiet=True))}
        trained = train_model(spec, table, splits, **options)
        seconds = time.perf_counter() - started
        right = trained.predict(table.images, splits.test).argmax(1) == table.labels[splits.test]
        epochs = trained.record.manifest["resolved"]["epochs_run"]
    return {"seconds": seconds, "epochs": epochs, "right": right.astype(int).tolist()}


def stock(arguments: argparse.Namespace, dataset: str, network: str) -> dict[str, Any]:
    """The same by Keras's stock recipe."""
    import rivals

    _, spec, table, splits = opened(arguments, dataset)
    images, labels = np.asarray(table.images[splits.train]), table.labels[splits.train]
    seconds, epochs, model = rivals.keras_timed(
        network, images, labels, size=spec.image_size, classes=len(table.classes), seconds=60 * arguments.minutes
    )
    probabilities = model.predict(np.asarray(table.images[splits.test]), batch_size=64, verbose=0)
    right = probabilities.argmax(1) == table.labels[splits.test]
    return {"seconds": seconds, "epochs": epochs, "right": right.astype(int).tolist()}


def compare(arguments: argparse.Namespace) -> None:
    """Print a row for each data set and network, as Markdown."""
    from report.evidence.statistics import mcnemar, wilson

    for dataset in arguments.datasets:
        for network in arguments.networks:
            found = {name: _in_its_own_process(name, arguments, dataset, network) for name in ("ours", "stock")}
            cells = []
            for one in found.values():
                right = np.array(one["right"])
                low, high = wilson(int(right.sum()), right.size)
                cells.append(
                    f"{right.mean():.1%} ({low:.1%}-{high:.1%}), {one['epochs']} epochs, {one['seconds']:.0f} s"
                )
            a, b = (np.array(one["right"], bool) for one in found.values())
            p = mcnemar(a, b).p
            print(f"| {dataset} | {network} | {cells[0]} | {cells[1]} | {p:.2g} | {len(a)} |", flush=True)


def ablate(arguments: argparse.Namespace) -> None:
    """Print a row for each variant, as Markdown."""
    dataset, network = arguments.datasets[0], arguments.networks[0]
    lab, _, table, splits = opened(arguments, dataset)
    if arguments.train_per_class:
        splits = replace(splits, train=first_of_each(splits.train, table.labels, arguments.train_per_class))
    base: list[float] = []
    for name, changes in (STEMS if network == "resnet50" else VARIANTS).items():
        started = time.perf_counter()
        epochs = arguments.epochs * changes.get("times", 1)
        options = {"epochs": epochs, "early_stopping": None} | {k: v for k, v in changes.items() if k != "times"}
        specs = [run_spec(lab, dataset, network, seed, **options) for seed in range(arguments.seeds)]
        accuracies, losses = zip(*(validated(spec, table, splits) for spec in specs), strict=True)
        seconds = (time.perf_counter() - started) / arguments.seeds
        base = base or list(accuracies)
        spread = f"{min(accuracies):.1f}-{max(accuracies):.1f}"
        difference = against(accuracies, base) if changes else ""
        mean, loss = f"{np.mean(accuracies):.1f} % ({spread})", np.mean(losses)
        print(f"| {name} | {mean} | {difference} | {loss:.3f} | {seconds:.0f} s |", flush=True)


def first_of_each(indices: Any, labels: Any, count: int) -> Any:
    """The first `count` of `indices` of each class, in their order."""
    kept = [indices[labels[indices] == label][:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(kept))


def validated(spec: Any, table: Any, splits: Any) -> tuple[float, float]:
    """Accuracy in percent and cross entropy on the validation images after the last epoch."""
    from rich.console import Console

    from cnnlab.progress import Progress
    from cnnlab.store.store import RunStore
    from cnnlab.training.run import train_model

    with tempfile.TemporaryDirectory() as work:
        options = {"store": RunStore(Path(work)), "budget_seconds": None, "progress": Progress(Console(quiet=True))}
        trained = train_model(spec, table, splits, checkpoint_seconds=1e9, **options)
        row = trained.record.rows("history.csv")[-1]
        trained.release()
    return 100 * float(row["val_accuracy"]), float(row["val_loss"])


def against(accuracies: Any, base: list[float]) -> str:
    """The mean difference to `base`, seed by seed, with its 95 % interval where there are several."""
    from scipy import stats

    differences = np.subtract(accuracies, base)
    if differences.size < 2:
        return f"{differences[0]:+.1f}"
    half = stats.t.ppf(0.975, differences.size - 1) * differences.std(ddof=1) / np.sqrt(differences.size)
    return f"{differences.mean():+.1f} ({differences.mean() - half:+.1f} to {differences.mean() + half:+.1f})"


def _in_its_own_process(name: str, arguments: argparse.Namespace, dataset: str, network: str) -> dict[str, Any]:
    options = [f"--minutes={arguments.minutes}", f"--stem={arguments.stem}"]
    options += [f"--profile={arguments.profile}"] if arguments.profile else []
    command = [sys.executable, __file__, arguments.lab, *options]
    done = subprocess.run([*command, "--one", name, dataset, network], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Compare, or ablate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab")
    parser.add_argument("--profile")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--datasets", nargs="+", default=("places-25", "mini-imagenet"))
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--train-per-class", type=int, help="of the ablation; all of them unless given")
    parser.add_argument("--stem", default="auto", choices=("auto", "published", "small"), help="of cnnlab's network")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "DATASET", "NETWORK"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        who, dataset, network = arguments.one
        print(json.dumps({"ours": ours, "stock": stock}[who](arguments, dataset, network)))
    elif arguments.ablate:
        ablate(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
