"""Decode every image of a data set on all cores, into a file of bare pixels."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cnnlab.datasets.lookalikes import LEAST_SIDE, NOT_HASHED, perceptual_hash
from cnnlab.datasets.pictures import Content, Picture, Pictures, Report, Undecodable
from cnnlab.datasets.pixels import as_rgb, decode_file, fit_square
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

PROCESSES_FROM = 4000
"""Images from which on processes pay: small images are mostly Python's work, which threads do not share, and a process
takes about a second to start."""

_CHUNK = 128


@dataclass(frozen=True)
class Look:
    """What was learnt of one image: sha256 of its RGB pixels at the original size, that size, and the perceptual hash
    of the square that the networks see. Or why it is bad."""

    digest: bytes = b""
    height: int = 0
    width: int = 0
    channels: int = 3
    perceptual: int = NOT_HASHED
    notes: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class _Task:
    """A run of images for one worker: their contents, and where their squares belong in the file."""

    contents: list[Content | Undecodable]
    first: int
    side: int
    fit: Literal["crop", "pad", "stretch"]
    into: Path


def decode_all(pictures: Pictures, spec: DatasetSpec, into: Path, report: Report) -> list[Look]:
    """Decode every image.

    Args:
        into: an existing file that is filled with uint8 (N, S, S, 3), bare, in the reader's order; what is undecodable is
            black. It is written, not mapped: memory stays as it is, and a full disk is an error and no signal.

    Returns:
        What was learnt of each image, in the reader's order.

    Raises:
        DataError: more than `spec.max_bad` of the images are undecodable, or a decoding process died.
        OSError: the file cannot be written.
    """
    total = len(pictures.labels)
    looks: list[Look] = []
    bad: list[int] = []
    with _executor(total) as pool:
        try:
            for found in _in_order(pool, _tasks(pictures, spec, into)):
                bad += [len(looks) + index for index, look in enumerate(found) if look.problem]
                looks += found
                if len(bad) > spec.max_bad * total:
                    raise _too_many_bad(pictures, looks, bad, spec.max_bad)
                report(f"decoding {total:,} images", len(looks) / total)
        except BrokenProcessPool:
            raise DataError(
                "a process that decodes images died",
                where=pictures.where,
                received=f"after {len(looks):,} of {total:,} images",
                hint="the memory may be full: close other programs and run again. In a script of your own, call cnnlab "
                'below `if __name__ == "__main__":`',
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return looks


def _executor(images: int) -> Executor:
    cores = os.cpu_count() or 1
    if images < PROCESSES_FROM or cores == 1:
        return ThreadPoolExecutor(cores)
    # Spawned, not forked: the caller may have started a framework's threads.
    return ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _live_with_parent)


def _live_with_parent() -> None:
    """A worker leaves interruption to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only worker processes run this"
    parent.join()
    os._exit(1)


def _tasks(pictures: Pictures, spec: DatasetSpec, into: Path) -> Iterator[_Task]:
    for first in range(0, len(pictures.labels), _CHUNK):
        rows = range(first, min(first + _CHUNK, len(pictures.labels)))
        yield _Task([_content(pictures, row) for row in rows], first, spec.image_size, spec.fit, into)


def _content(pictures: Pictures, row: int) -> Content | Undecodable:
    try:
        return pictures.content(row)
    except Undecodable as problem:
        return problem


def _in_order(pool: Executor, tasks: Iterator[_Task]) -> Iterator[list[Look]]:
    """Results in the order of the tasks, of which only a few are under way: their contents are in memory."""
    waiting: deque[Future[list[Look]]] = deque()
    for task in tasks:
        waiting.append(pool.submit(_decode_task, task))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode_task(task: _Task) -> list[Look]:
    squares = np.zeros((len(task.contents), task.side, task.side, 3), np.uint8)
    # Pillow warns on odd but decodable files; they are findings or nothing, not noise on the user's screen.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        looks = [_decode_one(content, square, task) for content, square in zip(task.contents, squares, strict=True)]
    with task.into.open("r+b") as handle:
        handle.seek(task.first * task.side**2 * 3)
        handle.write(squares.tobytes())
    return looks


def _decode_one(content: Content | Undecodable, into: np.ndarray, task: _Task) -> Look:
    try:
        picture = decode(content)
    except Undecodable as problem:
        return Look(problem=str(problem))
    pixels = picture.pixels
    digest = hashlib.sha256(as_rgb(pixels).tobytes()).digest()
    square = fit_square(pixels, task.side, task.fit)
    into[:] = as_rgb(square)
    height, width = pixels.shape[:2]
    hashed = perceptual_hash(square) if min(height, width) >= LEAST_SIDE else NOT_HASHED
    return Look(digest, height, width, 1 if pixels.ndim == 2 else 3, hashed, picture.notes)


def decode(content: Content | Undecodable) -> Picture:
    """The picture in a file, in the bytes of one, or in an array of pixels. Raises Undecodable."""
    if isinstance(content, Undecodable):
        raise content
    if isinstance(content, np.ndarray):
        return Picture(content)
    return decode_file(io.BytesIO(content) if isinstance(content, bytes) else content)


def _too_many_bad(pictures: Pictures, looks: Sequence[Look], bad: Sequence[int], most: float) -> DataError:
    examples = "; ".join(f"{pictures.sources[index]}: {looks[index].problem}" for index in bad[:3])
    return DataError(
        "too many images of the data set cannot be decoded",
        where=pictures.where,
        received=f"{len(bad)} bad among the first {len(looks)} of {len(pictures.labels)}, such as {examples}",
        expected=f"at most {most:.0%} of all (`max_bad` in the lab file)",
        hint="remove or replace the damaged files; an interrupted copy or download is the usual cause",
    )
