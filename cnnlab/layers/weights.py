"""Loading the weight files of `keras.applications` into the project's networks.

Read by layer name rather than through `Model.load_weights`, which matches layers by position, cannot leave the head
out, and says little about what does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cnnlab.backend import keras
from cnnlab.errors import CnnlabError, LabError
from cnnlab.networks import find_network


@dataclass(frozen=True)
class Loaded:
    """What was taken from a weight file: names of the layers, and whether the dense head is among them."""

    path: Path
    layers: tuple[str, ...]
    head: bool


def load_weights(model: keras.Model, name: str, weights: str) -> Loaded:
    """Load a network's base, and its head where the file has one that fits entirely (same classes, same input size).

    The first kernel is multiplied as the network's PREPROCESSING says, so that the loaded network computes exactly what
    the one of `keras.applications` computes.

    Args:
        model: what `build_network(name, …)` made.
        name: the network.
        weights: "imagenet", fetched once by Keras and checked against its hash, or the path of a legacy `.h5` file as
            `keras.applications` publishes, or as `save_weights` of such a model writes.

    Raises:
        CnnlabError: no such file, no network connection, not such a file, or the base does not fit the model.
    """
    module = find_network(name)
    if not module.WEIGHTS:
        what, expected = (
            f"there are no pre-trained weights for {name}",
            "no such key: keras.applications lacks this network",
        )
        raise LabError(what, where="recipe.weights", received=weights, expected=expected)
    path = _fetch(model, module) if weights == "imagenet" else Path(weights).expanduser()
    found = dict(_read(path))
    targets = {layer.name: layer for layer in model.layers if layer.weights}
    base = [layer for layer in targets if layer not in module.HEAD]
    if problem := _misfit(base, targets, found):
        raise CnnlabError(
            f"the weight file does not fit {name}",
            where=path,
            received=problem,
            expected="every layer of the convolutional base, with its published shape",
            hint='set stem = "published" and batch_norm = false, or train from scratch',
        )
    head = not _misfit(module.HEAD, targets, found)
    taken = [*base, *(module.HEAD if head else ())]
    for layer in taken:
        arrays = found[layer]
        if layer == module.FIRST:
            arrays = [arrays[0] * np.float32(module.PREPROCESSING.kernel), *arrays[1:]]
        targets[layer].set_weights(arrays)
    return Loaded(path, tuple(taken), head)


def check_contained(path: Path) -> None:
    """Refuse an HDF5 file with arrays that are taken from other files, or far larger than the file.

    Keras follows links and reserves memory for any announced shape, its versions before 3.15 without a look.

    Raises:
        CnnlabError: it has such an array.
        OSError: it cannot be read.
    """
    most = 10 * path.stat().st_size
    with h5py.File(path, "r") as file:

        def strange(name: str, link: Any) -> str | None:
            if not isinstance(link, h5py.HardLink):
                return name
            array = file[name]
            if isinstance(array, h5py.Group):
                return None
            large = (array.size or 0) * array.dtype.itemsize > most
            return name if large or array.external or array.is_virtual else None

        if found := file.visititems_links(strange):
            raise CnnlabError(
                "the weight file asks for numbers that it does not hold",
                where=path,
                received=f"{found}: a link, numbers of another file, or a shape larger than the file",
                expected="arrays that are whole in this file",
                hint="use a weight file from its publisher, or remove the run, which is then trained again",
            )


def _fetch(model: keras.Model, module: Any) -> Path:
    file = module.WEIGHTS["top" if model.output_shape[-1] == 1000 else "base"]
    try:
        return Path(
            keras.utils.get_file(file.url.rsplit("/", 1)[1], file.url, cache_subdir="models", file_hash=file.md5)
        )
    except Exception as problem:  # Keras wraps every failure of a download in a bare Exception
        raise CnnlabError(
            "the ImageNet weights cannot be fetched",
            where=file.url,
            received=problem,
            hint="check the connection, or fetch the file elsewhere and give its path as weights",
        ) from problem


def _read(path: Path) -> Iterator[tuple[str, list[np.ndarray]]]:
    try:
        check_contained(path)
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            for layer in _names(root, "layer_names"):
                yield layer, [np.asarray(root[layer][weight]) for weight in _names(root[layer], "weight_names")]
    except (OSError, KeyError) as problem:
        expected = "a legacy .h5 weight file of keras.applications"
        raise CnnlabError(
            "the weight file cannot be read", where=path, received=problem, expected=expected
        ) from problem


def _names(group: Any, attribute: str) -> list[str]:
    """A list attribute; Keras splits long ones into numbered pieces."""
    pieces = {int(key.removeprefix(attribute) or 0): key for key in group.attrs if key.startswith(attribute)}
    if not pieces:
        raise KeyError(f"no attribute {attribute}")
    found = [name for number in sorted(pieces) for name in group.attrs[pieces[number]]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def _misfit(names: Any, targets: dict[str, Any], found: dict[str, list[np.ndarray]]) -> str | None:
    """The first layer that the file lacks, or holds in another shape."""
    for name in names:
        wanted = [tuple(weight.shape) for weight in targets[name].weights]
        held = [array.shape for array in found.get(name, [])]
        if wanted != held:
            return f"{name}: {held or 'missing'}, the network has {wanted}"
    return None
