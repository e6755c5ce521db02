"""The networks, built from code: this folder is their registry, a file a network.

Nothing here imports Keras. A network's file states what was published of it and is handed a `LayerFactory`, which makes
its layers.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal, NamedTuple, Protocol

from cnnlab.errors import LabError
from cnnlab.paths import modules
from cnnlab.spec import NetworkOptions


class Adaptation(NamedTuple):
    """One departure from a network as published: `code` names it, the other two are shapes, kernels or rates."""

    code: str
    published: str
    used: str


class WeightFile(NamedTuple):
    """A weight file of `keras.applications`, with its MD5 as Keras checks it."""

    url: str
    md5: str


class Preprocessing(NamedTuple):
    """What is done to raw pixels, red first: `(pixel - mean) / scale`, then blue first with `reverse`.

    `kernel` is what the first kernel of published weights is multiplied by, where they were made for inputs that are so
    much larger: a power of two, so that it and `scale` cancel without any rounding.
    """

    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    reverse: bool = False
    kernel: float = 1.0


CENTRED = Preprocessing((123.68, 116.779, 103.939), (64.0, 64.0, 64.0), kernel=64.0)
"""The mean colour of ImageNet's training images, as `keras.applications` subtracts it, is taken away; divided by what is near
the standard deviation (57-58 on ImageNet), about [-2, 2.4]."""

CAFFE = CENTRED._replace(reverse=True)
"""The same in the order of the networks that were trained with Caffe."""


class Published(NamedTuple):
    """Errors in percent on the validation set of ImageNet, as printed in `reference`: a key of the network's own
    REFERENCES, or of `templates/literature.toml`. `protocol` is a message id, such as "one network, 10 crops".
    """

    top1_error: float
    top5_error: float
    protocol: str
    reference: str


class Network(Protocol):
    """What a network's file says, and how it is built; `REFERENCES` may hold entries of the bibliography besides, which
    `templates/literature.toml` lacks."""

    TITLE: str  # as prose prints it
    VERSION: int  # enters every run id; bumped by hand when the layer table or the seeded outputs change
    YEAR: int  # in which it was made known; networks stand in its order
    PUBLISHED: tuple[Published, ...]  # its results, the one that stands for it first
    PUBLISHED_SIZES: tuple[int, ...]  # input sides in pixels that count as published, the first one being shown
    HEAD: tuple[str, ...]  # the layers with weights behind the convolutional base; the last one is the classifier
    FIRST: str  # the first convolution
    BLOCKS: tuple[tuple[str, str], ...]  # pairs of layer-name prefix and block
    WEIGHTS: dict[str, WeightFile]  # files of `keras.applications`: "top" and "base", or none
    PREPROCESSING: Preprocessing  # what its first layer does to raw pixels

    def build(self, image_size: int, classes: int, options: NetworkOptions, make: Any) -> Any:
        """The model on (B, S, S, 3) raw pixels, giving (B, classes) probabilities; `make` is a `LayerFactory`."""

    def adaptations(self, image_size: int, classes: int, options: NetworkOptions) -> list[Adaptation]:
        """What differs from the network as published; refuses options that the network lacks."""


@cache
def network_names() -> tuple[str, ...]:
    """The names of all networks, in the order of their years."""
    found = {name: find_network(name) for name in modules("cnnlab/networks")}
    return tuple(sorted(found, key=lambda name: (found[name].YEAR, found[name].TITLE)))


def find_network(name: str) -> Network:
    """What the file of a network says.

    Raises:
        LabError: there is no such network.
    """
    if name not in (known := modules("cnnlab/networks")):
        raise LabError.unknown("there is no such network", name, known)
    found: Any = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return found


def common_adaptations(
    image_size: int, classes: int, options: NetworkOptions, *, published_sizes: tuple[int, ...], dense_units: int = 0
) -> list[Adaptation]:
    """The departures that every network can take: input size, classes, width and dropout of its dense head.

    Args:
        published_sizes: input sides that count as published; the first one is named.
        dense_units: published width of the hidden dense layers, 0 for a network that has none.
    """
    found = []
    if image_size not in published_sizes:
        found.append(Adaptation("input_size", square(published_sizes[0], 3), square(image_size, 3)))
    if classes != 1000:
        found.append(Adaptation("classes", "1000", str(classes)))
    if dense_units and options.dense_units not in (None, dense_units):
        found.append(Adaptation("dense_units", str(dense_units), str(options.dense_units)))
    rate = 0.5 if dense_units else 0.0
    if options.dropout not in (None, rate):
        found.append(Adaptation("dropout", str(rate), str(options.dropout)))
    return found


def stem_kind(image_size: int, options: NetworkOptions) -> Literal["published", "medium", "small"]:
    """Which stem a network has that comes with smaller ones: where that is left to it, the published one from 112 px on."""
    if options.stem == "published" or (options.stem == "auto" and image_size >= 112):
        return "published"
    return "medium" if image_size >= 64 else "small"


def square(side: int, channels: int | None = None) -> str:
    """`7x7` or `7x7x512`."""
    return f"{side}x{side}" + (f"x{channels}" if channels is not None else "")


def refuse(name: str, option: str, received: object, expected: str) -> LabError:
    """The error for an option that the network does not have, or cannot take at this input size."""
    what, where = f"{name} cannot be built with this option", f"networks.{name}.{option}"
    return LabError(what, where=where, received=received, expected=expected)
