"""Whole training epochs of cnnlab beside Keras's stock recipe and PyTorch, on the same files, network by network.

    pip install -e '.[benchmark]'        (PyTorch)
    python benchmarks/training.py [--networks resnet50 …] [--rounds 3] [--contenders cnnlab stock …]

Every contender trains the same number of epochs on a folder of JPEG files made here, in a process of its own: reading, flips,
steps, validation and a checkpoint. The first epoch (reading and tracing) is left out; of the others the median is taken.
Rounds go through all contenders in turn, so that a slow minute of the machine falls on all. The network is the same for
all, as `keras.applications` has it (cnnlab with `stem = "published"` for ResNet-50), AlexNet with cnnlab's stem for small
images; Keras's AlexNet has one tower and no response normalisation, as tutorials write it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

CLASSES, BATCH, EPOCHS = 20, 64, 3
NETWORKS = ("alexnet", "vgg19", "resnet50")
CONTENDERS = ("cnnlab", "stock", "stock-bfloat16", "pytorch", "cnnlab-float32")

TRAIN = {"alexnet": 1280, "vgg19": 320, "resnet50": 448}
"""Images of an epoch: enough that a checkpoint of AlexNet's 36 million parameters does not decide."""


def make_folder(folder: Path, *, size: int, train: int, validation: int) -> None:
    """JPEG files of smooth random colours, evenly in `CLASSES` folders of each split; `all` links to every one."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("validation", validation)):
        for number in range(count):
            place = folder / split / f"class-{number % CLASSES:02d}"
            place.mkdir(parents=True, exist_ok=True)
            small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            path = place / f"{split}-{number}.jpg"
            Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC).save(path)
            together = folder / "all" / place.name / path.name
            together.parent.mkdir(parents=True, exist_ok=True)
            together.hardlink_to(path)


def cnnlab_epochs(network: str, folder: Path, *, size: int, train: int, validation: int, precision: str) -> list[float]:
    """Seconds of each epoch of a cnnlab run, a checkpoint at every boundary."""
    from cnnlab.datasets.split import split_images
    from cnnlab.progress import Progress
    from cnnlab.readers import open_dataset
    from cnnlab.spec import DatasetSpec, NetworkOptions, Recipe, RunSpec, Split
    from cnnlab.store.store import RunStore
    from cnnlab.training.run import train_model

    class Clock(Progress):
        ends: list[float] = []

        def epoch(self, *measured: float) -> None:
            self.ends.append(time.perf_counter())

    data = DatasetSpec(
        reader="folder",
        path=folder / "all",
        image_size=size,
        split=Split(train=train - CLASSES, validation=validation, test=CLASSES),
    )
    options = NetworkOptions(stem="published") if network == "resnet50" else NetworkOptions()
    recipe = Recipe(
        learning_rate=0.01,
        batch_size=BATCH,
        epochs=EPOCHS + 1,
        augmentation=("flip",),
        precision=precision,
        early_stopping=None,
        schedule="constant",
    )
    spec = RunSpec(dataset="bench", data=data, network=network, options=options, recipe=recipe)
    with tempfile.TemporaryDirectory() as work:
        table = open_dataset("bench", data, data_dir=Path(work), report_progress=lambda *_: None)
        clock = Clock()
        store = RunStore(Path(work) / "runs")
        train_model(
            spec,
            table,
            split_images(table, data.split),
            store=store,
            budget_seconds=None,
            progress=clock,
            checkpoint_seconds=0,
        )
    return np.diff(clock.ends)[: EPOCHS - 1].tolist()


def one(contender: str, network: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run in the contender's process: images a second over whole epochs."""
    import resource

    import rivals

    options: dict[str, Any] = {"size": arguments.size, "batch": BATCH, "epochs": EPOCHS}
    if contender.startswith("cnnlab"):
        precision = "float32" if contender == "cnnlab-float32" else "auto"
        sizes = {key: getattr(arguments, key) for key in ("size", "train", "validation")}
        seconds = cnnlab_epochs(network, folder, precision=precision, **sizes)
    elif contender == "pytorch":
        seconds = rivals.pytorch(network, folder, precision="mixed_bfloat16", **options)[1:]
    else:
        policy = "mixed_bfloat16" if contender == "stock-bfloat16" else "float32"
        seconds = rivals.keras_stock(network, folder, precision=policy, **options)[1:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"images_per_second": arguments.train / median(seconds), "memory_gib": round(peak, 1)}


def matrix_peak() -> dict[str, float]:
    """GFLOP/s of the best of five products of 4,096 x 4,096 matrices, by number format."""
    from cnnlab.backend import tf

    found = {}
    for dtype in ("float32", "bfloat16"):
        a = tf.cast(tf.random.normal((4096, 4096)), dtype)
        times = []
        for _ in range(6):
            started = time.perf_counter()
            tf.matmul(a, a).numpy()
            times.append(time.perf_counter() - started)
        found[dtype] = 2 * 4096**3 / min(times[1:]) / 1e9
    return found


def multiply_adds(network: str, size: int) -> int:
    """Of one image, forward."""
    from cnnlab.architectures.construction import without_weights
    from cnnlab.architectures.table import layer_table
    from cnnlab.layers.factory import build_network
    from cnnlab.spec import NetworkOptions

    options = NetworkOptions(stem="published") if network == "resnet50" else NetworkOptions()
    build = partial(build_network, network, image_size=size, classes=CLASSES, options=options)
    return sum(row["multiply_adds"] for row in layer_table(without_weights(build)))


def main() -> None:
    """Print a table of images a second and ratios, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=84)
    parser.add_argument("--train", type=int, help="images of an epoch (default: by network)")
    parser.add_argument("--validation", type=int, default=128)
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "NETWORK", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        contender, network, folder = arguments.one
        print(json.dumps(one(contender, network, Path(folder), arguments)))
        return
    peak = matrix_peak()
    print(f"matrix products: {peak['float32']:.0f} GFLOP/s in float32, {peak['bfloat16']:.0f} in bfloat16", flush=True)
    for network in arguments.networks:
        with tempfile.TemporaryDirectory() as work:
            sizes = argparse.Namespace(**{**vars(arguments), "train": arguments.train or TRAIN[network]})
            make_folder(Path(work), size=sizes.size, train=sizes.train, validation=sizes.validation)
            _compare(network, Path(work), sizes, peak["bfloat16"])


def _compare(network: str, folder: Path, arguments: argparse.Namespace, peak: float) -> None:
    flops = 3 * 2 * multiply_adds(network, arguments.size) / 1e9
    speeds: dict[str, list[float]] = {contender: [] for contender in arguments.contenders}
    for _ in range(arguments.rounds):
        for contender, found in speeds.items():
            found.append(_in_its_own_process(contender, network, folder, arguments)["images_per_second"])
    ours = speeds.get("cnnlab")
    for contender, found in speeds.items():
        speed = median(found)
        ratio = f"{median(a / b for a, b in zip(ours, found, strict=True)):.2f}" if ours else ""
        spread = f"{min(found):.1f}-{max(found):.1f}"
        share = f"{speed * flops / peak:.0%}"
        print(f"| {network} | {contender} | {speed:.1f} ({spread}) | {share} | {ratio} |", flush=True)


def _in_its_own_process(contender: str, network: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    sizes = [f"--{key}={getattr(arguments, key)}" for key in ("size", "train", "validation")]
    command = [sys.executable, __file__, *sizes, "--one", contender, network, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
