"""VGG-19 built step by step as the assignment builds it, each step's code being what is really run."""

from __future__ import annotations

import functools
import io
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from unittest import mock

from cnnlab.backend import keras
from cnnlab.networks.vgg19 import DENSE_UNITS, STAGES

T = TypeVar("T")
CONV = 'modelVGG19.add(Conv2D({filters}, (3, 3), strides=(1, 1), activation="relu", padding="same"))'
PRINT = "print(modelVGG19.output_shape)"
START = """\
from keras import Input
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential

modelVGG19 = Sequential()
modelVGG19.add(Input((224, 224, 3)))"""


def vgg19_construction() -> list[dict[str, Any]]:
    """Build VGG-19 at 224 px for 1,000 classes in nine steps: block1 … block5, flatten, fc6, fc7, fc8.

    The layers get the names (`conv2d`, `conv2d_1` …) that they would get in a fresh Python, whatever was built before.

    Returns:
        Of each step `block` and `title`; `code` as it was run, the `output` that it printed, and the `outputs` in there, {"after":
        "before pooling" | "after pooling" | <step>, "shape": [without batch]}; what `summary()` printed after it; the names of
        its `layers`; Keras's count of the `parameters` so far, `formula_parameters`, our own for the same, and
        `added_parameters`, those of this step.

    Raises:
        ArithmeticError: our formula and Keras's count differ after a step, which is a bug in one of them.
    """
    return without_weights(_build)


def without_weights(work: Callable[[], T]) -> T:
    """Call `work` where Keras gives weights shapes but no values, counts layer names from the beginning and computes in
    float32.

    Keras keeps all three as thread-local state, so that a new thread starts afresh and leaves the caller's alone: there,
    the next layer built would give values to all weights that have none.
    """

    def described() -> T:
        with keras.StatelessScope(initialize_variables=False):
            return work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(described).result()


def summary_text(model: keras.Model) -> str:
    """Keras's own `summary()`, 100 columns wide."""
    text = io.StringIO()
    # The table is cut at the console's width, not at `line_length`, when it is captured.
    with mock.patch.dict(os.environ, COLUMNS="110"):
        model.summary(line_length=100, print_fn=lambda table, **_: text.write(table))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _build() -> list[dict[str, Any]]:
    space: dict[str, Any] = {}
    steps = list[dict[str, Any]]()
    expected = known = 0
    for block, title, code, places, added in _listings():
        output = io.StringIO()
        space["print"] = functools.partial(print, file=output)  # redirecting stdout would catch other threads' output
        exec(compile(code, f"<{block}>", "exec"), space)
        model, expected = space["modelVGG19"], expected + added
        if (count := model.count_params()) != expected:
            raise ArithmeticError(f"{block}: our count is {expected}, Keras counts {count}")
        shapes = [[int(n) for n in re.findall(r"\d+", line)] for line in output.getvalue().splitlines()]
        outputs = [{"after": place, "shape": shape} for place, shape in zip(places, shapes, strict=True)]
        steps.append({
            "block": block, "title": title, "code": code, "outputs": outputs, "output": output.getvalue(),
            "summary": summary_text(model), "parameters": count, "formula_parameters": expected,
            "added_parameters": added, "layers": [layer.name for layer in model.layers[known:]],
        })  # fmt: skip
        known = len(model.layers)
    return steps


def _listings() -> Iterator[tuple[str, str, str, list[str], int]]:
    """Per step: name, title, code, what each printed shape comes after, and our own count of its parameters."""
    entering = 3
    for block, convolutions, filters in STAGES:
        lines = [CONV.format(filters=filters)] * convolutions
        lines += [PRINT, "modelVGG19.add(MaxPooling2D((2, 2), strides=(2, 2)))", PRINT]
        code = "\n".join([START, *lines] if block == "block1" else lines)
        added = sum((9 * n + 1) * filters for n in [entering] + [filters] * (convolutions - 1))
        yield (
            block,
            f"{convolutions} × Conv2D {filters}, MaxPooling2D",
            code,
            ["before pooling", "after pooling"],
            added,
        )
        entering = filters
    yield "flatten", "Flatten", f"modelVGG19.add(Flatten())\n{PRINT}", ["flatten"], 0
    entering *= 7 * 7
    for block, units, activation in (
        ("fc6", DENSE_UNITS, "relu"), ("fc7", DENSE_UNITS, "relu"), ("fc8", 1000, "softmax"),
    ):  # fmt: skip
        code = f'modelVGG19.add(Dense({units}, activation="{activation}"))\n{PRINT}'
        yield block, f"Dense {units}, {activation}", code, [block], (entering + 1) * units
        entering = units
