"""Architecture records without a framework, for `tests.fabricate`: VGG-19 layer by layer, the others in outline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.networks import find_network
from cnnlab.store.store import RunStore

SIZE = 32
PUBLISHED = {  # parameters, trainable, multiply-adds, activations, convolutions, dense
    "vgg19": (143_667_240, 143_667_240, 19_632_062_464, 16_542_184, 16, 3),
    "alexnet": (60_965_224, 60_965_224, 724_406_816, 932_264, 5, 3),
    "resnet50": (25_636_712, 25_583_592, 3_857_973_248, 10_587_112, 53, 1),
}
VGG_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_START = """\
from keras import Input
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential

modelVGG19 = Sequential()
modelVGG19.add(Input((224, 224, 3)))
"""
_CODE = {
    "Conv2D": 'modelVGG19.add(Conv2D({filters}, (3, 3), strides=(1, 1), activation="relu", padding="same"))',
    "MaxPooling2D": "modelVGG19.add(MaxPooling2D((2, 2), strides=(2, 2)))",
    "Flatten": "modelVGG19.add(Flatten())",
    "Dense": 'modelVGG19.add(Dense({filters}, activation="{activation}"))',
}
_PRINT = "print(modelVGG19.output_shape)"


def _vgg19_layers() -> list[dict[str, Any]]:
    layers, side, channels = [], 224, 3
    for block, (convolutions, filters) in enumerate(VGG_BLOCKS, 1):
        for index in range(1, convolutions + 1):
            count = 9 * channels * filters + filters
            layers.append(
                _layer(f"block{block}_conv{index}", "Conv2D", f"block{block}", [side, side, filters], count,
                       f"(3·3·{channels} + 1)·{filters}", side * side * 9 * channels * filters, filters)
            )  # fmt: skip
            channels = filters
        side //= 2
        layers.append(_layer(f"block{block}_pool", "MaxPooling2D", f"block{block}", [side, side, channels], 0, "", 0))
    layers.append(_layer("flatten", "Flatten", "head", [25088], 0, "", 0))
    for name, inputs, units in (("fc1", 25088, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000)):
        count = inputs * units + units
        layers.append(_layer(name, "Dense", "head", [units], count, f"({inputs} + 1)·{units}", inputs * units, units))
    return layers


def _layer(
    name: str, kind: str, block: str, shape: list[int], count: int, formula: str, macs: int, filters: int | None = None
) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "block": block, "output_shape": shape, "kernel": [3, 3] if kind == "Conv2D" else None,
        "strides": [1, 1] if kind == "Conv2D" else None, "padding": "same", "groups": 1, "filters": filters,
        "activation": "relu", "parameters": count, "trainable": count, "formula": formula, "formula_parameters": count,
        "multiply_adds": macs, "activations": int(np.prod(shape)),
    }  # fmt: skip


def _construction(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = [(f"block{i}", [row for row in layers if row["block"] == f"block{i}"]) for i in range(1, 6)]
    groups += [("flatten", [layers[-4]]), ("fc6", [layers[-3]]), ("fc7", [layers[-2]]), ("fc8", [layers[-1]])]
    steps, total = [], 0
    for block, rows in groups:
        added = sum(row["parameters"] for row in rows)
        total += added
        softmax = {"predictions": "softmax"}
        lines = [
            _CODE[row["kind"]].format(filters=row["filters"], activation=softmax.get(row["name"], "relu"))
            for row in rows
        ]
        if block.startswith("block"):
            lines.insert(-1, _PRINT)
        shapes = [(None, *row["output_shape"]) for row in (rows[-2:] if block.startswith("block") else rows)]
        steps.append({
            "block": block, "title": block, "code": (_START if block == "block1" else "") + "\n".join([*lines, _PRINT]),
            "output": "\n".join(map(str, shapes)) + "\n",
            "outputs": [{"after": row["name"], "shape": row["output_shape"]} for row in rows[-2:]],
            "summary": 'Model: "sequential"\n' + "\n".join(f"{row['name']}  {row['parameters']:,}" for row in rows),
            "parameters": total, "formula_parameters": total, "added_parameters": added, "layers": [row["name"] for row in rows],
        })  # fmt: skip
    return steps


def write_architecture(store: RunStore, network: str, size: int, classes: int) -> str:
    """The id of an architecture record, made where it is missing; VGG-19's layers are its own."""
    record = f"{network}-{size}-0000000{len(network)}"
    parameters, trainable, macs, activations, convolutions, dense = PUBLISHED[network]
    small = size != 224

    def write(folder: Path) -> dict[str, Any]:
        layers = _vgg19_layers() if network == "vgg19" else [
            _layer("conv1", "Conv2D", "stage1", [55, 55, 96], 34_944, "(11·11·3 + 1)·96", 105_415_200, 96),
            _layer("predictions", "Dense", "head", [classes], parameters - 34_944, "", macs - 105_415_200, classes),
        ]  # fmt: skip
        (folder / "layers.json").write_text(json.dumps(layers))
        (folder / "summary.txt").write_text(f'Model: "{network}"\n Total params: {parameters:,}\n')
        if network == "vgg19" and not small:
            (folder / "construction.json").write_text(json.dumps(_construction(layers)))
        return {
            "network": network, "title": find_network(network).TITLE, "image_size": size, "classes": classes,
            "options": {}, "version": 1, "parameters": parameters, "trainable": trainable, "multiply_adds": macs,
            "activations": activations, "weighted_layers": {"convolution": convolutions, "dense": dense},
            "adaptations": [{"code": "stem", "published": "11x11/4", "used": "5x5/1"}] if small else [],
        }  # fmt: skip

    if not store.has("architecture", record):
        store.publish("architecture", record, write)
    return record
