"""How fast photographs become a decoded cache, how fast that opens, and what memory it takes.

    python benchmarks/data.py                   60,000 generated JPEG files of 84x84 pixels, in a temporary folder
    python benchmarks/data.py --images 6000     fewer
    BENCHMARK_SIDE=128 python benchmarks/data.py --images 125000     as many and as large as Places-25

Every measurement runs in a process of its own, one after the other, on the same files: Pillow alone in one process,
`keras.utils.image_dataset_from_directory` (one pass), cnnlab's first opening (decoding on all cores, sha256 and
perceptual hash of each image, search for copies, cache) and its second. Rates are images a second; memory is the peak of
what the process holds for itself (RssAnon), pages of mapped files that the system may drop at any time left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES, BATCH = 100, 64
SIDE = int(os.environ.get("BENCHMARK_SIDE", "84"))


def generate(root: Path, images: int) -> None:
    """`images` JPEG files of quality 90, CLASSES folders, about as large as mini-ImageNet's (4.6 kB)."""
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write, [(root, index) for index in range(images)], chunksize=500))


def _write(task: tuple[Path, int]) -> None:
    root, index = task
    random = np.random.default_rng(index)
    coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
    pixels = (smooth + random.integers(-16, 17, smooth.shape)).clip(0, 255).astype(np.uint8)
    path = root / f"class{index % CLASSES:03}" / f"{index:06}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)


@contextmanager
def own_memory() -> Iterator[Callable[[], float]]:
    """The growth of this process's own memory over what it had, in MB: its peak, sampled every 20 ms."""
    before, peak, stop = _rss_anon(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], _rss_anon() - before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield lambda: max(peak[0], _rss_anon() - before)
    stop.set()
    thread.join()


def _rss_anon() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1e3


def pillow(root: Path, data: Path) -> dict[str, float]:
    """Every file opened and decoded, one after the other."""
    paths = sorted(root.rglob("*.jpg"))
    started = time.perf_counter()
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))
    return {"seconds": time.perf_counter() - started}


def keras(root: Path, data: Path) -> dict[str, float]:
    """One pass of the stock recipe's data set, as it is decoded again in every epoch."""
    from cnnlab.backend import keras as framework

    dataset = framework.utils.image_dataset_from_directory(
        root, image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=False, verbose=False
    )
    started = time.perf_counter()
    for _ in dataset:
        pass
    return {"seconds": time.perf_counter() - started}


def cnnlab(root: Path, data: Path) -> dict[str, float]:
    """`open_dataset`: decodes the first time, maps the cache the second."""
    from cnnlab.readers import open_dataset
    from cnnlab.spec import DatasetSpec

    spec = DatasetSpec(reader="folder", path=root, image_size=SIDE)
    with own_memory() as peak:
        started = time.perf_counter()
        table = open_dataset("generated", spec, data_dir=data)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "peak_mb": peak(), "images": len(table.images)}


def epoch(root: Path, data: Path) -> dict[str, float]:
    """All batches of an epoch, flipped and cropped, out of the cache."""
    from cnnlab.readers import open_dataset
    from cnnlab.spec import DatasetSpec
    from cnnlab.training.batches import prefetched, training_batches

    table = open_dataset("generated", DatasetSpec(reader="folder", path=root, image_size=SIDE), data_dir=data)
    rows = np.arange(len(table.images))
    with own_memory() as peak:
        started = time.perf_counter()
        batches = training_batches(
            table.images, table.labels, rows, classes=len(table.classes), batch_size=BATCH,
            augmentation=("flip", "crop"), seed=0, epoch=0,
        )  # fmt: skip
        for _ in prefetched(batches):
            pass
        return {"seconds": time.perf_counter() - started, "peak_mb": peak()}


TASKS = {task.__name__: task for task in (pillow, keras, cnnlab, epoch)}


def measured(task: str, root: Path, data: Path) -> dict[str, float]:
    """A task's numbers, from a process of its own."""
    command = [sys.executable, __file__, "--task", task, str(root), str(data)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def compare(images: int, folder: Path) -> None:
    """Print every measurement at this number of images."""
    root, data = folder / f"images{images}", folder / f"data{images}"
    generate(root, images)
    first = {task: measured(task, root, data) for task in ("pillow", "keras", "cnnlab")}
    again, batches = measured("cnnlab", root, data), measured("epoch", root, data)
    rate = {task: images / numbers["seconds"] for task, numbers in first.items()}
    print(f"\n{images:,} JPEG files of {SIDE}x{SIDE} pixels")
    print(f"  Pillow, one process                 {rate['pillow']:7,.0f} images/s")
    print(f"  image_dataset_from_directory        {rate['keras']:7,.0f} images/s")
    print(
        f"  cnnlab, first opening               {rate['cnnlab']:7,.0f} images/s   "
        f"{rate['cnnlab'] / rate['pillow']:.2f} x Pillow, {rate['cnnlab'] / rate['keras']:.2f} x Keras, "
        f"peak {first['cnnlab']['peak_mb']:.0f} MB"
    )
    print(f"  cnnlab, opened again                {again['seconds']:7.2f} s, peak {again['peak_mb']:.0f} MB")
    print(
        f"  cnnlab, an epoch out of the cache   {images / batches['seconds']:7,.0f} images/s, "
        f"peak {batches['peak_mb']:.0f} MB"
    )


def main() -> None:
    """Measure at a tenth of the images and at all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        name, root, data = arguments.task
        print(json.dumps(TASKS[name](Path(root), Path(data))))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="cnnlab-data-") as folder:
        for images in (arguments.images // 10, arguments.images):
            compare(images, Path(folder))


if __name__ == "__main__":
    main()
