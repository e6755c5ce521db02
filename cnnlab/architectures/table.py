"""Networks taken apart: one row a layer, with parameters by the project's own arithmetic beside Keras's count.

One multiply-add is counted for each use of a weight of a convolution or dense layer. Biases, pooling, normalisation, additions and
activations are not counted. Activations are the values that a layer puts out for one image; the input itself is none.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class LayerRow:
    """One layer: `output_shape` without the batch, None for what the layer does not have.

    `formula` is text such as "(3·3·3 + 1)·64" and `formula_parameters` its value by our own arithmetic; `parameters` and
    `trainable` are Keras's counts.
    """

    name: str
    kind: str
    block: str
    output_shape: tuple[int, ...]
    kernel: tuple[int, ...] | None
    strides: tuple[int, ...] | None
    padding: str | None
    groups: int | None
    filters: int | None
    activation: str | None
    parameters: int
    trainable: int
    formula: str
    formula_parameters: int
    multiply_adds: int
    activations: int


def layer_table(model: keras.Model) -> list[LayerRow]:
    """The layers of a network of `cnnlab/networks/` in order.

    Raises:
        ArithmeticError: our formula and Keras's count of a layer differ, which is a bug in one of them.
    """
    blocks = _Blocks(model.name)
    return [_row(layer, blocks) for layer in model.layers]


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
    find_network(name)
    record_id = architecture_id(name, image_size=image_size, classes=classes, options=options)
    if store.has("architecture", record_id):
        return store.read("architecture", record_id)

    def write(folder: Path) -> Mapping[str, Any]:
        return without_weights(lambda: _write(folder, name, image_size, classes, options))

    return store.publish("architecture", record_id, write)


def _write(folder: Path, name: str, image_size: int, classes: int, options: NetworkOptions) -> Mapping[str, Any]:
    departures = find_network(name).adaptations(image_size, classes, options)
    model = build_network(name, image_size=image_size, classes=classes, options=options)
    rows = layer_table(model)
    summary = summary_text(model)
    if name == "vgg19" and not departures:
        _write_json(folder / "construction.json", vgg19_construction())
    _write_json(folder / "layers.json", rows)
    (folder / "summary.txt").write_text(summary, encoding="utf-8")
    return {
        "network": name,
        "title": find_network(name).TITLE,
        "image_size": image_size,
        "classes": classes,
        "options": options.model_dump(mode="json"),
        "version": find_network(name).VERSION,
        "parameters": sum(row.parameters for row in rows),
        "trainable": sum(row.trainable for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "activations": sum(row.activations for row in rows),
        "weighted_layers": {
            "convolution": sum(row.kind == "Conv2D" for row in rows),
            "dense": sum(row.kind == "Dense" for row in rows),
        },
        "adaptations": [dataclasses.asdict(departure) for departure in departures],
    }


def _write_json(path: Path, items: list[Any]) -> None:
    text = json.dumps([dataclasses.asdict(item) for item in items], indent=1, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


class _Blocks:
    """Names the block of each layer, walking through the model: what belongs to no stage is before or behind them."""

    def __init__(self, network: str) -> None:
        self.prefixes = find_network(network).BLOCKS
        self.current = "input"

    def of(self, layer: str) -> str:
        own = next((block for prefix, block in self.prefixes if layer.startswith(prefix)), None)
        self.current = own or ("input" if self.current == "input" else "head")
        return self.current


def _row(layer: layers.Layer, blocks: _Blocks) -> LayerRow:
    shape = tuple(layer.output.shape[1:])
    formula, value, uses = _count(layer)
    if value != layer.count_params():
        raise ArithmeticError(f"{layer.name}: {formula} = {value}, but Keras counts {layer.count_params()}")
    return LayerRow(
        name=layer.name,
        kind=_kind(layer),
        block=blocks.of(layer.name),
        output_shape=shape,
        kernel=_pair(getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)),
        strides=_pair(getattr(layer, "strides", None)),
        padding=_padding(layer),
        groups=getattr(layer, "groups", None),
        filters=getattr(layer, "filters", None) or getattr(layer, "units", None),
        activation=_activation(layer),
        parameters=layer.count_params(),
        trainable=sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        formula=formula,
        formula_parameters=value,
        multiply_adds=uses,
        activations=0 if isinstance(layer, layers.InputLayer) else math.prod(shape),
    )


def _count(layer: layers.Layer) -> tuple[str, int, int]:
    """Formula of the parameters, its value, and the multiply-adds for one image."""
    if isinstance(layer, layers.Conv2D):
        height, width = layer.kernel_size
        entering = layer.input.shape[-1] // layer.groups
        weights = height * width * entering
        positions = math.prod(layer.output.shape[1:3])
        formula = f"({height}·{width}·{entering} + 1)·{layer.filters}"
        return formula, (weights + 1) * layer.filters, weights * layer.filters * positions
    if isinstance(layer, layers.Dense):
        entering = layer.input.shape[-1]
        return f"({entering} + 1)·{layer.units}", (entering + 1) * layer.units, entering * layer.units
    if isinstance(layer, layers.BatchNormalization):
        channels = layer.output.shape[-1]
        return f"4·{channels}", 4 * channels, 0
    return "0", 0, 0


def _kind(layer: layers.Layer) -> str:
    """The Keras class that the layer is one of, where it is only computed in another way."""
    for kind in (layers.Conv2D, layers.BatchNormalization):
        if isinstance(layer, kind):
            return str(kind.__name__)
    return type(layer).__name__


def _padding(layer: layers.Layer) -> str | None:
    padding = getattr(layer, "padding", None)
    if padding is None or isinstance(padding, str):
        return padding
    (top, bottom), (left, right) = padding
    return f"{top},{bottom},{left},{right}"


def _activation(layer: layers.Layer) -> str | None:
    name = getattr(getattr(layer, "activation", None), "__name__", None)
    return None if name == "linear" else name


def _pair(value: Any) -> tuple[int, ...] | None:
    return None if value is None else tuple(int(part) for part in value)
