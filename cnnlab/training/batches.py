"""Batches gathered and augmented as whole arrays, ahead of the computation.

Every draw comes from (seed, epoch, stream): epoch k has the same batches whether or not the training was resumed before
it. Each kind of augmentation has a stream of its own, so that adding one changes nothing in what the others do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from cnnlab.training.augment import MIXING, MOVING, augmented, erased, mixed, randaugmented

_SHUFFLE, _MOVE, _SAMPLE, _DROPOUT, _RANDAUGMENT, _ERASE, _MIX = range(7)


class Batch(NamedTuple):
    """Images uint8 (B, S, S, 3) and labels int32 (B,).

    Where images are mixed, image i counts `share[i]`, float32 in [0, 1], as `labels[i]` and the rest as `partners[i]`,
    int32; otherwise both are None.
    """

    images: np.ndarray
    labels: np.ndarray
    partners: np.ndarray | None = None
    share: np.ndarray | None = None


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
        augmentation: any of `spec.Augmentation`, done in this order: "crop" and "flip", "randaugment", "erase", then
            "mixup" or "cutmix"; see `cnnlab.training.augment`.

    Yields:
        When `ids` is no multiple of B, the last partial batch is dropped; which images that leaves out changes from
        epoch to epoch.
    """
    order = _generator(seed, epoch, _SHUFFLE).permutation(ids)
    streams = {stream: _generator(seed, epoch, stream) for stream in (_MOVE, _RANDAUGMENT, _ERASE, _MIX)}
    chosen = frozenset(augmentation)
    for step in range(steps_per_epoch(len(ids), batch_size)):
        rows = order[step * batch_size : (step + 1) * batch_size]
        yield _batch(images, labels, rows, chosen, streams)


def _batch(
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    chosen: frozenset[str],
    streams: Mapping[int, np.random.Generator],
) -> Batch:
    pixels = augmented(images, rows, chosen, streams[_MOVE]) if chosen & MOVING else images[rows]
    if "randaugment" in chosen:
        pixels = randaugmented(pixels, streams[_RANDAUGMENT])
    if "erase" in chosen:
        pixels = erased(pixels, streams[_ERASE])
    if not chosen & MIXING:
        return Batch(pixels, labels[rows])
    pixels, partners, share = mixed(pixels, chosen, streams[_MIX])
    return Batch(pixels, labels[rows], labels[rows[partners]], share)


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
