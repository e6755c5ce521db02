"""Batches gathered and augmented as whole arrays, one index computation a batch, ahead of the computation.

Flipping, shifting and reflecting all only choose which pixel goes where, so that one gather from the memory-mapped
table makes an augmented batch. Every draw comes from (seed, epoch, stream): epoch k has the same batches whether or
not the training was resumed before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_SHUFFLE, _AUGMENT, _SAMPLE, _DROPOUT = range(4)

Batch = tuple[np.ndarray, np.ndarray]


def _generator(seed: int, epoch: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, stream]))


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Batches an epoch: a last partial batch is dropped, unless it is the only one."""
    return max(1, images // batch_size)


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    *,
    batch_size: int,
    augmentation: Iterable[str],
    seed: int,
    epoch: int,
) -> Iterator[Batch]:
    """The batches of one epoch (0-based), shuffled and augmented.

    Args:
        images: uint8 (N, S, S, 3). labels: int32 (N,). ids: rows of both to train on.
        augmentation: "flip" mirrors half of the images, "crop" shifts each by up to S // 8 pixels both ways, the
            border filled by reflection (as padding by S // 8 and cropping back to S).

    Yields:
        uint8 (B, S, S, 3) and int32 (B,). When `ids` is no multiple of B, the last partial batch is dropped; which
        images that leaves out changes from epoch to epoch.
    """
    order = _generator(seed, epoch, _SHUFFLE).permutation(ids)
    rng = _generator(seed, epoch, _AUGMENT)
    chosen = frozenset(augmentation)
    for step in range(steps_per_epoch(len(ids), batch_size)):
        rows = order[step * batch_size : (step + 1) * batch_size]
        yield (augmented(images, rows, chosen, rng) if chosen else images[rows]), labels[rows]


def augmented(images: np.ndarray, rows: np.ndarray, chosen: frozenset[str], rng: np.random.Generator) -> np.ndarray:
    """The images of `rows`, flipped and shifted at random: uint8 (len(rows), S, S, 3)."""
    size, count = images.shape[1], len(rows)
    y = np.broadcast_to(np.arange(size), (count, size))
    x = y
    if "crop" in chosen:
        shifts = rng.integers(-(size // 8), size // 8, size=(2, count, 1), endpoint=True)
        y, x = _reflected(y + shifts[0], size), _reflected(x + shifts[1], size)
    if "flip" in chosen:
        x = np.where(rng.random((count, 1)) < 0.5, x[:, ::-1], x)
    return np.asarray(images[rows[:, None, None], y[:, :, None], x[:, None, :]])


def _reflected(index: np.ndarray, size: int) -> np.ndarray:
    """Indices outside [0, size) mirrored at the edge pixel's centre, as `np.pad(mode="reflect")`."""
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)


def measured_sample(train: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fixed, sorted `count` training rows (all, when there are fewer) on which loss and accuracy are measured."""
    if count >= len(train):
        return train
    return np.sort(_generator(seed, 0, _SAMPLE).choice(train, size=count, replace=False))


def dropout_seed(seed: int, epoch: int, index: int) -> int:
    """The state that the model's seed generator number `index` starts an epoch from, in [0, 2**31)."""
    state = np.random.SeedSequence([seed, epoch, _DROPOUT, index]).generate_state(1)
    return int(state[0] >> 1)


def prefetched(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each made in a thread while the one before is being used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        upcoming = pool.submit(next, batches, None)
        while (batch := upcoming.result()) is not None:
            upcoming = pool.submit(next, batches, None)
            yield batch
