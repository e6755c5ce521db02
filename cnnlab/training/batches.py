"""Batches gathered and augmented as whole arrays, ahead of the computation.

Every draw comes from (seed, epoch, stream): epoch k has the same batches whether or not the training was resumed before
it. Each kind of augmentation has a stream of its own, so that adding one changes nothing in what the others do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cnnlab.backend import keras

_SHUFFLE, _MOVE, _SAMPLE, _DROPOUT, _RANDAUGMENT, _ERASE, _MIX = range(7)


class Batch(NamedTuple):
    """Images (B, S, S, 3) from 0 to 255, uint8 or float32, and labels: int32 (B,), of mixed images float32 (B, K) shares."""

    images: np.ndarray
    labels: np.ndarray


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Batches an epoch: a last partial batch is dropped, unless it is the only one."""
    return max(1, images // batch_size)


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    *,
    classes: int,
    batch_size: int,
    augmentation: Iterable[str],
    seed: int,
    epoch: int,
) -> Iterator[Batch]:
    """The batches of one epoch (0-based), shuffled and augmented.

    Args:
        images: uint8 (N, S, S, 3). labels: int32 (N,) below `classes`. ids: rows of both to train on.
        augmentation: any of `spec.Augmentation`, done in this order: "crop" and "flip", see `moved`; by Keras's layers
            "randaugment" (two of eleven operations on each batch, at half the strength of Cubuk et al. 2020) and "erase" (of half of the
            images a rectangle of 2 to 20 %, to grey); then "mixup" (weights of Beta(0.2, 0.2)) or "cutmix" (shares of
            Beta(1, 1)), with both chosen one of them at random for each batch.

    Yields:
        When `ids` is no multiple of B, the last partial batch is dropped; which images that leaves out changes from
        epoch to epoch.
    """
    order = _generator(seed, epoch, _SHUFFLE).permutation(ids)
    chosen, moves, kinds = frozenset(augmentation), _generator(seed, epoch, _MOVE), _generator(seed, epoch, _MIX)
    layers = {name: _layer(name, seed, epoch) for name in _LAYERS if name in chosen}
    mixing = [layer for name, layer in layers.items() if name in ("cutmix", "mixup")]
    for step in range(steps_per_epoch(len(ids), batch_size)):
        rows = order[step * batch_size : (step + 1) * batch_size]
        batch = Batch(moved(images, rows, chosen, moves), labels[rows])
        for name in ("randaugment", "erase"):
            if name in layers:
                batch = batch._replace(images=np.asarray(layers[name](batch.images)))
        if mixing:
            truth = np.eye(classes, dtype=np.float32)[batch.labels]
            mixed = mixing[kinds.integers(len(mixing))]({"images": batch.images, "labels": truth})
            batch = Batch(np.asarray(mixed["images"]), np.asarray(mixed["labels"]))
        yield batch


_LAYERS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "randaugment": (_RANDAUGMENT, "RandAugment", {"factor": 0.5}),
    "erase": (_ERASE, "RandomErasing", {"factor": (0.5, 0.5), "scale": (0.02, 0.2), "fill_value": 127.5}),
    "mixup": (_MIX, "MixUp", {"alpha": 0.2}),
    "cutmix": (_MIX, "CutMix", {"factor": (1.0, 1.0)}),
}
"""Stream, class and arguments of Keras's layers."""

_UPRIGHT: dict[str, tuple[str, dict[str, Any]]] = {
    "random_rotation": ("RandomRotation", {"factor": 15 / 360}),
    "random_shear": ("RandomShear", {"x_factor": 0.15, "y_factor": 0.15}),
    "random_translation": ("RandomTranslation", {"height_factor": 75 / 331, "width_factor": 75 / 331}),
}
"""Put into RandAugment: of the one factor 0.5 that it has for all, Keras makes rotations by up to 180 degrees."""


def _layer(name: str, seed: int, epoch: int) -> Any:
    """Keras's layer of an augmentation, whose draws depend on (seed, epoch) alone."""
    stream, kind, arguments = _LAYERS[name]
    common = {"seed": _state(seed, epoch, stream), "dtype": "float32"}
    layer = getattr(keras.layers, kind)(**arguments, **common)
    for part, (kind, arguments) in _UPRIGHT.items() if name == "randaugment" else ():
        setattr(layer, part, getattr(keras.layers, kind)(**arguments, **common))
    return layer


def moved(images: np.ndarray, rows: np.ndarray, chosen: frozenset[str], rng: np.random.Generator) -> np.ndarray:
    """The images of `rows`, flipped and shifted at random: one gather from the memory-mapped table does both.

    Args:
        images: uint8 (N, S, S, 3).
        chosen: "flip" mirrors half of the images left to right; "crop" shifts each by up to S // 8 pixels both ways,
            the border filled by reflection (as padding by S // 8 and cropping back to S). Others are not looked at.

    Returns:
        uint8 (len(rows), S, S, 3).
    """
    if not chosen & {"crop", "flip"}:
        return images[rows]
    size, count = images.shape[1], len(rows)
    x = y = np.broadcast_to(np.arange(size), (count, size))
    if "crop" in chosen:
        shifts = np.abs(np.arange(size) + rng.integers(-(size // 8), size // 8, size=(2, count, 1), endpoint=True))
        y, x = np.where(shifts >= size, 2 * (size - 1) - shifts, shifts)
    if "flip" in chosen:
        x = np.where(rng.random((count, 1)) < 0.5, x[:, ::-1], x)
    return np.asarray(images[rows[:, None, None], y[:, :, None], x[:, None, :]])


def measured_sample(train: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fixed, sorted `count` training rows (all, when there are fewer) on which loss and accuracy are measured."""
    if count >= len(train):
        return train
    return np.sort(_generator(seed, 0, _SAMPLE).choice(train, size=count, replace=False))


def dropout_seed(seed: int, epoch: int, index: int) -> int:
    """The state that the model's seed generator number `index` starts an epoch from, in [0, 2**31)."""
    return _state(seed, epoch, _DROPOUT, index)


def _state(*source: int) -> int:
    return int(np.random.SeedSequence(source).generate_state(1)[0] >> 1)


def _generator(seed: int, epoch: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, stream]))


def prefetched(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each made in a thread while the one before is being used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        upcoming = pool.submit(next, batches, None)
        while (batch := upcoming.result()) is not None:
            upcoming = pool.submit(next, batches, None)
            yield batch
