"""The network of a run, ready to train: built, given weights, frozen, with rates and batch-norm momentum that fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnlab.backend import keras
from cnnlab.networks import find_network
from cnnlab.spec import Recipe, RunSpec
from cnnlab.training.precision import Precision, dtype_policy

Build = Callable[..., Any]
"""Called as `cnnlab.layers.factory.build_network`."""

_MOMENTA = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6)
_LEAST_MOMENTUM = 0.5


def build_model(
    spec: RunSpec, classes: int, precision: Precision, *, momentum: float, build: Build | None = None
) -> keras.Model:
    """The spec's network with its seed's initial weights, under the precision's policy.

    Raises:
        LabError: there is no such network, or not at this size.
    """
    if build is None:
        from cnnlab.layers.factory import build_network

        build = build_network
    with dtype_policy(precision.policy):
        return build(
            spec.network,
            image_size=spec.data.image_size,
            classes=classes,
            options=spec.options,
            seed=spec.seed,
            fused_batch_norm=precision.batch_norm_fused,
            batch_norm_momentum=momentum,
        )


def prepare(spec: RunSpec, model: keras.Model) -> str | None:
    """Load the recipe's weights and freeze what it freezes; a line on what was loaded, None when nothing was.

    Raises:
        LabError: the weight file is missing or another network's.
    """
    loaded = None
    if spec.recipe.weights is not None:
        from cnnlab.layers.weights import load_weights

        found = load_weights(model, spec.network, spec.recipe.weights)
        loaded = f"weights of {len(found.layers)} layers loaded from {found.path.name}"
    if starts_frozen(spec.recipe):
        freeze_base(model)
    return loaded


def starts_frozen(recipe: Recipe) -> bool:
    """Whether the classifier learns alone, in the first epochs or in all."""
    return recipe.frozen or recipe.frozen_epochs > 0


def freeze_base(model: keras.Model) -> None:
    """Make every layer but the classifier (the last one with weights) not trainable.

    Frozen batch norm normalises by its stored statistics, in training as well.
    """
    weighted = [layer for layer in model.layers if layer.weights]
    for layer in weighted[:-1]:
        layer.trainable = False


def unfreeze(model: keras.Model) -> None:
    """Make every layer trainable again."""
    for layer in model.layers:
        layer.trainable = True


def rate_factors(network: str, model: keras.Model, decay: float) -> tuple[float, ...]:
    """Factors of the learning rate, one for each of the model's trainable variables: `decay` ** blocks before the head.

    The network's dense head has 1, its last block `decay`, the block before that `decay`², and so on (discriminative
    fine-tuning, Howard & Ruder 2018, section 3.2). Layers that belong to no block count as the head.
    """
    prefixes = find_network(network).BLOCKS
    blocks = list(dict.fromkeys(block for _, block in prefixes))
    distance = {block: len(blocks) - index for index, block in enumerate(blocks)}
    factors = []
    for layer in model.layers:
        block = next((block for prefix, block in prefixes if layer.name.startswith(prefix)), None)
        factors += [decay ** distance.get(block or "", 0)] * len(layer.trainable_variables)
    return tuple(factors)


def batch_norm_momentum(steps: int) -> float:
    """The momentum of batch norm's moving averages in a training of `steps` steps.

    The largest of some usual values, 0.99 at most and 0.5 at least, whose averaging horizon 1 / (1 - momentum) is at
    most a tenth of the training: with Keras's 0.99 and 230 steps the averages still lag behind the weights at the end.
    """
    return next((momentum for momentum in _MOMENTA if 10 / (1 - momentum) <= steps * (1 + 1e-9)), _LEAST_MOMENTUM)


def has_batch_norm(model: keras.Model) -> bool:
    """Whether the model keeps moving averages."""
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
