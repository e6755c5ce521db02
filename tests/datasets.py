"""Pictures made by chance, folders of them, and data sets read for a test."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlab.datasets.table import Finding, ImageTable
from cnnlab.readers import open_dataset
from cnnlab.spec import DatasetSpec


def picture(seed: int, size: tuple[int, int] = (20, 20)) -> Image.Image:
    """A random RGB picture, `size` as (width, height)."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def smooth(seed: int, side: int = 24) -> Image.Image:
    """A smooth random picture, so that its copy is not its neighbour."""
    return picture(seed, (6, 6)).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as the content of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def put(path: Path, content: bytes | Image.Image = b"x") -> Path:
    """Write a file, whatever its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(content) if isinstance(content, Image.Image) else content)
    return path


def fill(root: Path, images: int = 10, classes: Sequence[str] = ("ant", "bee")) -> Path:
    """`images` PNG pictures in all, the same number in each class, all different."""
    for index in range(images):
        put(root / classes[index % len(classes)] / f"{index:03}.png", picture(index))
    return root


def read(
    path: Path | None, data: Path, reader: str = "folder", told: list[str] | None = None, **spec: object
) -> ImageTable:
    """A data set of 20x20 pixels, unless `spec` says otherwise; `told` receives what is reported."""
    full = DatasetSpec.model_validate({"reader": reader, "path": path, "image_size": 20, **spec})
    return open_dataset("mine", full, data_dir=data, report_progress=([] if told is None else told).append)


def found(table: ImageTable, kind: str) -> Finding | None:
    """The finding of a kind, if there is one."""
    return next((finding for finding in table.findings if finding.kind == kind), None)
