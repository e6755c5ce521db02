"""AlexNet, VGG-19 and ResNet-50, built from code.

Importing this package imports no framework: the modules that `registry.NETWORKS` names are imported when a network is
first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cnnlab.errors import LabError, did_you_mean
from cnnlab.registry import NETWORKS
from cnnlab.spec import NetworkOptions

if TYPE_CHECKING:
    import keras

    from cnnlab.networks.factory import Adaptation

__all__ = ["adaptations", "build_network", "head_layers", "network_module"]


def build_network(
    name: str,
    *,
    image_size: int,
    classes: int,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    seed: int = 0,
    fused_batch_norm: bool | None = None,
    batch_norm_momentum: float = 0.99,
) -> keras.Model:
    """Build a network under the current dtype policy.

    Args:
        name: a key of `registry.NETWORKS`; it is the model's name too.
        image_size: side S in pixels, at least 16.
        classes: number of classes, at least 2.
        seed: the same seed gives the same weights, layer by layer.
        fused_batch_norm: batch normalisation on TensorFlow's fused kernel. None: where the policy computes in 16 bits,
            in which it doubled ResNet-50's speed on a CPU with AMX; in float32 it was slower. Results are the same.
        batch_norm_momentum: share of the old moving average kept each step, in [0, 1). Short trainings need less than
            Keras's 0.99, or the averages lag behind the weights.

    Returns:
        A model from float32 (B, S, S, 3) raw pixels in [0, 255], red first, to float32 (B, classes) probabilities. Its
        first layers prepare the pixels, so the weights of `keras.applications` fit (`weights.load_weights`).

    Raises:
        LabError: no such network, or it does not have an option, or not at this size.
    """
    module = network_module(name)
    import keras

    from cnnlab.networks.factory import LayerFactory

    if fused_batch_norm is None:
        fused_batch_norm = keras.config.dtype_policy().compute_dtype != "float32"
    make = LayerFactory(seed, fused_batch_norm, batch_norm_momentum)
    return module.build(image_size, classes, options, make)


def adaptations(
    name: str,
    *,
    image_size: int,
    classes: int,
    options: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
) -> list[Adaptation]:
    """What differs from the network as published; empty when nothing does. See `docs/networks.md` for the codes.

    Raises:
        LabError: no such network, or it does not have an option, or not at this size.
    """
    return network_module(name).adaptations(image_size, classes, options)


def head_layers(name: str) -> tuple[str, ...]:
    """Names of the layers with weights behind the convolutional base; the last one is the classifier."""
    return network_module(name).HEAD


def network_module(name: str) -> Any:
    """The module of a network.

    Raises:
        LabError: there is no such network.
    """
    if name not in NETWORKS:
        raise LabError(
            "there is no such network",
            received=name,
            expected=", ".join(sorted(NETWORKS)),
            hint=did_you_mean(name, NETWORKS),
        )
    return importlib.import_module(NETWORKS[name].module)
