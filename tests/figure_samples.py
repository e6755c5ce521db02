"""Figures of every kind, made from seeded numbers, for the tests of `report.figures` and for looking at them."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from report.data.trainings import Trial
from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity
from report.figures import bars, confusion, curves, distribution, network, sizes, trials
from report.figures.svg import paint
from report.figures.theme import PRINT
from tests.fabricate_architectures import _layer, _vgg19_layers

ODD_NAMES = (
    "$x_1$ & <b>bold</b>", "snake_case_name_that_is_forty_characters", "日本語のクラス", "قطة سوداء", "a\ttab\nand a line",
    "emoji 🐈‍⬛ cat", "{braces} %s \\alpha", "lone \udc80 surrogate",
)  # fmt: skip
_ANIMALS = ("gato", "perro", "zorro ártico", "colibrí", "tortuga", "elefante africano", "pez", "abeja", "lobo", "búho")
ENGLISH, SPANISH = Language("en"), Language("es")
NB = "\N{NO-BREAK SPACE}"


def class_names(count: int) -> list[str]:
    names = [*_ANIMALS, *ODD_NAMES]
    return [names[i] if i < len(names) and count > 10 else f"{_ANIMALS[i % 10]} {i:02d}" if i >= 10 else _ANIMALS[i]
            for i in range(count)]  # fmt: skip


def history(
    network: str, epochs: int, seed: int = 0, *, skill: float = 0.8, stopped: str = "completed"
) -> curves.History:
    generator = np.random.default_rng([seed, epochs, len(network)])
    t = np.arange(1, epochs + 1) / max(epochs, 5) * 4
    noise = generator.normal(0, 0.012, epochs)
    val_loss = 2.3 - 1.5 * (1 - np.exp(-t)) + 0.06 * t**1.5 + 2 * noise
    return curves.History(
        network=network, seed=seed, loss=list(2.3 - 2.1 * (1 - np.exp(-t))), val_loss=list(val_loss),
        accuracy=list(0.1 + 0.88 * (1 - np.exp(-t))), val_accuracy=list(0.1 + (skill - 0.1) * (1 - np.exp(-1.2 * t)) + noise),
        learning_rate=[0.025 * (1 + math.cos(math.pi * e / epochs)) for e in range(epochs)],
        best_epoch=int(val_loss.argmin()) + 1, stopped=stopped,
    )  # fmt: skip


def share(right: int, n: int) -> Quantity:
    p, z = right / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Quantity(value=p, unit="share", n=n, low=middle - half, high=middle + half)


def matrix(count: int, per_class: int = 100) -> np.ndarray:
    generator = np.random.default_rng(count)
    table = np.zeros((count, count), dtype=np.int64)
    for i in range(count):
        skill = generator.beta(6, 3)
        weights = generator.dirichlet(np.full(count, 0.15)) * (1 - skill)
        weights[i] += skill
        table[i] = generator.multinomial(per_class, weights / weights.sum())
    return table


def _convolution(name: str, block: str, side: int, channels: int, parameters: int, kernel: int) -> dict[str, Any]:
    row = _layer(name, "Conv2D", block, [side, side, channels], parameters, "", 0, channels)
    return {**row, "kernel": [kernel, kernel]}


def resnet50_layers() -> list[dict[str, Any]]:
    rows = [_convolution("conv1_conv", "stem", 112, 64, 9472, 7),
            {**_layer("pool1_pool", "MaxPooling2D", "stem", [56, 56, 64], 0, "", 0)}]  # fmt: skip
    for stage, blocks, filters, side in ((2, 3, 64, 56), (3, 4, 128, 28), (4, 6, 256, 14), (5, 3, 512, 7)):
        for block in range(1, blocks + 1):
            for index in range(0 if block == 1 else 1, 4):
                channels, kernel = filters * (4 if index in (0, 3) else 1), 3 if index == 2 else 1
                name = f"conv{stage}_block{block}_{index}_conv"
                rows.append(_convolution(name, f"stage{stage}", side, channels, 10_000, kernel))
    return [*rows, _layer("predictions", "Dense", "head", [1000], 2_049_000, "", 0, 1000)]


def alexnet_layers() -> list[dict[str, Any]]:
    rows, pooled = [], {1: 27, 2: 13, 5: 6}
    convolutions = ((55, 96, 11), (27, 256, 5), (13, 384, 3), (13, 384, 3), (13, 256, 3))
    for index, (side, channels, kernel) in enumerate(convolutions, 1):
        rows.append(_convolution(f"conv{index}", f"block{index}", side, channels, 500_000, kernel))
        if after := pooled.get(index):
            rows.append(_layer(f"pool{index}", "MaxPooling2D", f"block{index}", [after, after, channels], 0, "", 0))
    return rows + [_layer(name, "Dense", "head", [units], 37_000_000, "", 0, units)
                   for name, units in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000))]  # fmt: skip


def search_trials(count: int) -> list[Trial]:
    """Trials of which the first is complete, every fifth failed and every third pruned."""
    generator = np.random.default_rng(count)
    result = []
    for number in range(1, count + 1):
        state = "failed" if number % 5 == 0 else "pruned" if number % 3 == 0 else "complete"
        value = None if state == "failed" else round(float(generator.uniform(0.3, 0.8)), 4)
        params = {"learning_rate": float(10 ** generator.uniform(-4, -0.5))}
        result.append(Trial(number, state, params, value, None if value is None else 3, 6, None))
    return result


def samples(language: Language) -> dict[str, Figure]:
    """Every kind of figure, at every size at which it is drawn differently."""
    return dict(_samples(language.code))


@cache
def _samples(code: str) -> dict[str, Figure]:
    language, vgg = Language(code), _vgg19_layers()
    c: Any = {"caption": "Caption.", "note": "Note."}
    tables = {"alexnet": alexnet_layers(), "vgg19": vgg, "resnet50": resnet50_layers()}
    published = (
        ("alexnet", 60_965_224, 724_406_816, 0.593, "10-crop"), ("vgg19", 143_667_240, 19_632_062_464, 0.713, "single crop"),
        ("resnet50", 25_636_712, 3_857_973_248, 0.749, "single crop"),
    )  # fmt: skip
    accuracies = {
        name: {"train": share(int(5000 * (s + 0.12)), 5000), "validation": share(int(900 * s), 900),
               "test": share(int(1000 * (s - 0.01)), 1000)}
        for name, s in (("alexnet", 0.71), ("vgg19", 0.82), ("resnet50", 0.8))
    }  # fmt: skip
    figures = {
        "vgg19": network.vgg19_drawing(vgg, language, **c),
        "networks": network.networks_drawing(tables, language, **c),
        "blocks": sizes.block_counts(vgg, language, **c),
        "compared": sizes.networks_compared([sizes.NetworkSize(*one) for one in published], language, **c),
        "accuracy": bars.accuracy_comparison(accuracies, language, **c),
    }
    for epochs in (1, 8, 100):
        one = [history("vgg19", epochs, stopped="early" if epochs == 100 else "completed")]
        figures[f"loss-{epochs}"] = curves.network_curves("loss", one, language, **c)
        figures[f"accuracy-{epochs}"] = curves.network_curves("accuracy", one, language, **c)
        several = [history(name, epochs, skill=s) for name, s in (("alexnet", 0.7), ("vgg19", 0.8), ("resnet50", 0.79))]
        figures[f"comparison-{epochs}"] = curves.comparison_curves(several, language, **c)
    for size in (1, 8, 60):
        tried = search_trials(size)
        best = max((one for one in tried if one.state == "complete"), key=lambda one: one.value or 0.0).number
        for name, rates in (("trials", False), ("rates", True)):
            figures[f"{name}-{size}"] = trials.trials_figure(
                tried, language, network="resnet50", selected=best, with_rate=rates, **c
            )
    seeds = [history("resnet50", 20, seed) for seed in range(3)]
    figures["accuracy-seeds"] = curves.network_curves("accuracy", seeds, language, **c)
    for count in (3, 10, 25, 100, 150):
        names, table = class_names(count), matrix(count)
        train, others = np.random.default_rng(count).integers(300, 480, count), np.full(count, 60)
        counts = {"train": train, "validation": others, "test": others}
        shares = [share(int(table[i, i]), int(table[i].sum())) for i in range(count)]
        figures[f"distribution-{count}"] = distribution.class_distribution(names, counts, language, **c)
        figures[f"classes-{count}"] = bars.per_class_accuracy(names, shares, language, network="vgg19", **c)
        figures[f"confusion-{count}"] = confusion.confusion_matrix(table, names, language, **c)
    return figures


def texts(figure: Figure) -> list[str]:
    """All that is written in the drawing, tick labels included, in no order."""
    from matplotlib.text import Text

    drawing = paint(figure, PRINT)
    drawing.draw_without_rendering()
    return [text.get_text() for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]
