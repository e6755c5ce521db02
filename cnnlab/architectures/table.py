"""Networks taken apart: one row a layer, with parameters by the project's own arithmetic beside Keras's count.

One multiply-add is counted for each use of a weight of a convolution or dense layer. Biases, pooling, normalisation, additions and
activations are not counted. Activations are the values that a layer puts out for one image; the input itself is none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnlab.architectures.construction import summary_text, vgg19_construction, without_weights
from cnnlab.backend import keras, layers
from cnnlab.identity import architecture_id
from cnnlab.layers.factory import build_network
from cnnlab.networks import find_network
from cnnlab.spec import NetworkOptions
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore


def layer_table(model: keras.Model) -> list[dict[str, Any]]:
    """The layers of a network of `cnnlab/networks/` in order.

    Returns:
        Of each `name`, `kind` and `block`; `output_shape` without the batch; `kernel`, `strides`, `padding`, `groups`, `filters`
        and `activation`, None for what it does not have; `parameters` and those `trainable`, Keras's counts; `formula`, text
        such as "(3·3·3 + 1)·64", and `formula_parameters`, its value by our own arithmetic; `multiply_adds`, `activations`.

    Raises:
        ArithmeticError: our formula and Keras's count of a layer differ, which is a bug in one of them.
    """
    rows, block = [], "input"
    for layer in model.layers:  # what belongs to no stage is before or behind them
        own = next((name for prefix, name in find_network(model.name).BLOCKS if layer.name.startswith(prefix)), None)
        block = own or ("input" if block == "input" else "head")
        rows.append(_row(layer, block))
    return rows


def publish_architecture(
    store: RunStore, name: str, *, image_size: int, classes: int, options: NetworkOptions
) -> Record:
    """Publish the architecture record, or open the one already there.

    The tables come from a model in float32 without values, so neither weights nor precision matter. VGG-19 as published
    at 224 px also gets its construction, layer by layer.

    Raises:
        LabError: no such network, or it does not have an option, or not at this size.
        StoreError: the record cannot be written, or the one there is damaged.
    """
    network = find_network(name)
    record_id = architecture_id(name, image_size=image_size, classes=classes, options=options)
    if store.has("architecture", record_id):
        return store.read("architecture", record_id)

    def write(folder: Path) -> Mapping[str, Any]:
        departures = network.adaptations(image_size, classes, options)
        model = build_network(name, image_size=image_size, classes=classes, options=options)
        rows = layer_table(model)
        (folder / "summary.txt").write_text(summary_text(model), encoding="utf-8")
        lists = {"layers": rows}
        if name == "vgg19" and not departures:
            lists["construction"] = vgg19_construction()
        for kind, items in lists.items():
            text = json.dumps(items, indent=1, ensure_ascii=False)
            (folder / f"{kind}.json").write_text(text, encoding="utf-8")
        sums = ("parameters", "trainable", "multiply_adds", "activations")
        kinds = {"convolution": "Conv2D", "dense": "Dense"}
        return {
            "network": name, "title": network.TITLE, "image_size": image_size, "classes": classes,
            "options": options.model_dump(mode="json"), "version": network.VERSION,
            **{key: sum(row[key] for row in rows) for key in sums},
            "weighted_layers": {key: sum(row["kind"] == kind for row in rows) for key, kind in kinds.items()},
            "adaptations": [departure._asdict() for departure in departures],
        }  # fmt: skip

    return store.publish("architecture", record_id, lambda folder: without_weights(lambda: write(folder)))


def _row(layer: layers.Layer, block: str) -> dict[str, Any]:
    shape, parameters = tuple(layer.output.shape[1:]), layer.count_params()
    formula, value, uses = _count(layer)
    if value != parameters:
        raise ArithmeticError(f"{layer.name}: {formula} = {value}, but Keras counts {parameters}")
    # The Keras class that the layer is one of, where it is only computed in another way.
    kind = next((one for one in (layers.Conv2D, layers.BatchNormalization) if isinstance(layer, one)), type(layer))
    has = {key: getattr(layer, key, None) for key in ("padding", "kernel_size", "pool_size", "strides", "groups")}
    if has["padding"] and not isinstance(has["padding"], str):
        has["padding"] = ",".join(str(side) for axis in has["padding"] for side in axis)
    activation, kernel = getattr(layer, "activation", None), has["kernel_size"] or has["pool_size"]
    function = getattr(activation, "__name__", None)
    return {
        "name": layer.name, "kind": kind.__name__, "block": block, "output_shape": shape,
        "kernel": kernel and tuple(map(int, kernel)), "strides": has["strides"] and tuple(map(int, has["strides"])),
        "padding": has["padding"], "groups": has["groups"],
        "filters": getattr(layer, "filters", None) or getattr(layer, "units", None),
        "activation": None if function == "linear" else function, "parameters": parameters,
        "trainable": sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        "formula": formula, "formula_parameters": value, "multiply_adds": uses,
        "activations": 0 if isinstance(layer, layers.InputLayer) else math.prod(shape),
    }  # fmt: skip


def _count(layer: layers.Layer) -> tuple[str, int, int]:
    """Formula of the parameters, its value, and the multiply-adds for one image."""
    if isinstance(layer, layers.Conv2D):
        height, width = layer.kernel_size
        entering = layer.input.shape[-1] // layer.groups
        weights = height * width * entering
        positions = math.prod(layer.output.shape[1:3])
        each = f"({height}·{width}·{entering} + 1)" if layer.use_bias else f"{height}·{width}·{entering}"
        value = (weights + layer.use_bias) * layer.filters
        return f"{each}·{layer.filters}", value, weights * layer.filters * positions
    if isinstance(layer, layers.Dense):
        entering = layer.input.shape[-1]
        return f"({entering} + 1)·{layer.units}", (entering + 1) * layer.units, entering * layer.units
    if isinstance(layer, layers.BatchNormalization):
        channels = layer.output.shape[-1]
        return f"4·{channels}", 4 * channels, 0
    return "0", 0, 0
