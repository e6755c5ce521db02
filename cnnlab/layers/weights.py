"""Loading the weight files of `keras.applications` into the project's networks.

Read by layer name rather than through `Model.load_weights`, which matches layers by position, cannot leave the head
out, and says little about what does not fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from cnnlab.backend import keras
from cnnlab.errors import CnnlabError, LabError
from cnnlab.networks import find_network


class Loaded(NamedTuple):
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
        expected = "no such key: keras.applications lacks this network"
        what = f"there are no pre-trained weights for {name}"
        raise LabError(what, where="recipe.weights", received=weights, expected=expected)
    path = Path(weights).expanduser()
    if weights == "imagenet":
        url, md5 = module.WEIGHTS["top" if model.output_shape[-1] == 1000 else "base"]
        try:
            path = Path(keras.utils.get_file(url.rsplit("/", 1)[1], url, cache_subdir="models", file_hash=md5))
        except Exception as problem:  # Keras wraps every failure of a download in a bare Exception
            what = "the ImageNet weights cannot be fetched"
            hint = "check the connection, or fetch the file elsewhere and give its path as weights"
            raise CnnlabError(what, where=url, received=problem, hint=hint) from problem
    found = _read(path)
    wanted = {layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in model.layers if layer.weights}
    unfit = [layer for layer in wanted if wanted[layer] != [array.shape for array in found.get(layer, [])]]
    for layer in (one for one in unfit if one not in module.HEAD):
        held = [array.shape for array in found.get(layer, [])] or "missing"
        raise CnnlabError(
            f"the weight file does not fit {name}",
            where=path,
            received=f"{layer}: {held}, the network has {wanted[layer]}",
            expected="every layer of the convolutional base, with its published shape",
            hint='set stem = "published" and batch_norm = false, or train from scratch',
        )
    taken = [layer for layer in wanted if layer not in module.HEAD or not unfit]
    for layer in taken:
        first, *rest = found[layer]
        kernel = first * np.float32(module.PREPROCESSING.kernel) if layer == module.FIRST else first
        model.get_layer(layer).set_weights([kernel, *rest])
    return Loaded(path, tuple(taken), head=not unfit)


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


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """The arrays of each layer, by its name."""

    def names(group: Any, attribute: str) -> list[str]:
        """A list attribute; Keras splits long ones into numbered pieces."""
        pieces = {int(key.removeprefix(attribute) or 0): key for key in group.attrs if key.startswith(attribute)}
        if not pieces:
            raise KeyError(f"no attribute {attribute}")
        found = [name for number in sorted(pieces) for name in group.attrs[pieces[number]]]
        return [name.decode() if isinstance(name, bytes) else str(name) for name in found]

    try:
        check_contained(path)
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            return {
                layer: [np.asarray(root[layer][weight]) for weight in names(root[layer], "weight_names")]
                for layer in names(root, "layer_names")
            }
    except (OSError, KeyError) as problem:
        what, expected = "the weight file cannot be read", "a legacy .h5 weight file of keras.applications"
        raise CnnlabError(what, where=path, received=problem, expected=expected) from problem
