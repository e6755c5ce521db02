"""Figures of every kind, made from seeded numbers, for the tests of `report.figures` and for looking at them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from report.data.trainings import Trial
from report.evidence.quantity import Figure, Quantity
from report.figures import bars, confusion, curves, network, trials
from report.figures.svg import paint
from report.figures.theme import PRINT
from tests.fabricate_architectures import _layer, _vgg19_layers

ODD_NAMES = (
    "$x_1$ & <b>bold</b>",
    "snake_case_name_that_is_forty_characters",
    "日本語のクラス",
    "قطة سوداء",
    "a\ttab\nand a line",
    "emoji 🐈‍⬛ cat",
    "{braces} %s \\alpha",
    "lone \udc80 surrogate",
)
_ANIMALS = ("gato", "perro", "zorro ártico", "colibrí", "tortuga", "elefante africano", "pez", "abeja", "lobo", "búho")

SPANISH = {
    "Epoch": "Época",
    "Loss": "Pérdida",
    "Accuracy": "Exactitud",
    "Validation accuracy": "Exactitud en validación",
    "Validation loss": "Pérdida en validación",
    "Validation accuracy against the epoch.": "Exactitud en validación según la época.",
    "Validation loss against the epoch.": "Pérdida en validación según la época.",
    "{network}: best epoch {epoch} of {epochs}, with {value}.": (
        "{network}: mejor época, la {epoch} de {epochs}, con {value}."
    ),
    "no value": "sin valor",
    "Loss of {network} against the epoch: validation loss is {validation} at the best epoch, {epoch} of {epochs}, "
    "where training loss is {train}; at the last epoch they are {last_validation} and {last_train}.": (
        "Pérdida de {network} según la época: en validación es {validation} en la mejor época, la {epoch} de {epochs}, "
        "donde en entrenamiento es {train}; en la última época son {last_validation} y {last_train}."
    ),
    "Accuracy of {network} against the epoch: validation accuracy peaks at epoch {peak} of {epochs} at {value}, where "
    "training accuracy is {train}; the best epoch by the criterion used is {epoch}.": (
        "Exactitud de {network} según la época: en validación es máxima en la época {peak} de {epochs}, con {value}, "
        "donde en entrenamiento es {train}; la mejor época según el criterio usado es la {epoch}."
    ),
    "training": "entrenamiento",
    "validation": "validación",
    "test": "prueba",
    "best epoch: {epoch}": "mejor época: {epoch}",
    "stopped early after {epoch}": "parada temprana tras la {epoch}",
    "barred: stopped early": "con barra: parada temprana",
    "best epoch": "mejor época",
    "seeds": "semillas",
    "95% interval": "Intervalo del 95 %",
    "{part} of {all}": "{part} de {all}",
    "Classes that are taken for each other stand side by side.": "Las clases que se toman unas por otras están juntas.",
    "ringed: best epoch": "con anillo: mejor época",
    "diverged": "divergió",
    "Learning rate": "Tasa de aprendizaje",
    "Accuracy with 95% intervals.": "Exactitud con intervalos del 95 %.",
    "Accuracy in {count} classes, sorted, with 95% intervals: best {best} with {high}, worst {worst} with {low}.": (
        "Exactitud en {count} clases, ordenadas, con intervalos del 95 %: la mejor, {best}, con {high}; la peor, "
        "{worst}, con {low}."
    ),
    "{count} classes between are left out": "se omiten {count} clases intermedias",
    "Each of the {count} classes has {images} images.": "Cada una de las {count} clases tiene {images} imágenes.",
    "Images in {count} classes: most in {most} ({high}), fewest in {fewest} ({low}), {mean} on average.": (
        "Imágenes en {count} clases: más en {most} ({high}), menos en {fewest} ({low}), {mean} en promedio."
    ),
    "Images": "Imágenes",
    "mean: {value}": "media: {value}",
    "Classes, by number of images": "Clases, por número de imágenes",
    "Confusion matrix of {count} classes: {right} of {total} images on the diagonal.": (
        "Matriz de confusión de {count} clases: {right} de {total} imágenes en la diagonal."
    ),
    "Most frequent confusions": "Confusiones más frecuentes",
    "Most frequent confusions: {list}.": "Confusiones más frecuentes: {list}.",
    "{true} taken for {predicted}, {share}": "{true} tomada por {predicted}, {share}",
    "True class": "Clase verdadera",
    "Predicted class": "Clase predicha",
    "% of the true class": "% de la clase verdadera",
    "Drawing of {network}: {blocks} blocks with {convolutions} convolutions each, feature maps {sizes}, then dense "
    "layers of {units} units.": (
        "Dibujo de {network}: {blocks} bloques con {convolutions} convoluciones, mapas de {sizes}, y luego capas densas "
        "de {units} unidades."
    ),
    "Block {number}": "Bloque {number}",
    "max pooling": "max pooling",
    "convolution + activation": "convolución + activación",
    "dense layer": "capa densa",
    "flatten: {size}": "aplanado: {size}",
    "convolutions: {convolutions} · dense layers: {dense} · parameters: {parameters}": (
        "convoluciones: {convolutions} · capas densas: {dense} · parámetros: {parameters}"
    ),
    "Networks drawn on one scale.": "Redes dibujadas a una misma escala.",
    "Dense layers": "Capas densas",
    "Filters": "Filtros",
    "Parameters": "Parámetros",
    "Multiply-adds": "Multiplicaciones y sumas",
    "Activations": "Activaciones",
    "logarithmic scale": "escala logarítmica",
    "ImageNet top-1 accuracy": "Exactitud top-1 en ImageNet",
    "Trial": "Ensayo",
    "Peak learning rate": "Tasa de aprendizaje máxima",
    "selected": "seleccionado",
    "best so far": "mejor hasta entonces",
    "complete": "completo",
    "pruned": "podado",
    "failed": "fallido",
    "Validation accuracy of {total} trials for {network}: {complete} complete, {pruned} pruned, {failed} failed. "
    "Trial {selected} was selected, with {value}.": (
        "Exactitud de validación de {total} ensayos para {network}: {complete} completos, {pruned} podados, {failed} "
        "fallidos. Se seleccionó el ensayo {selected}, con {value}."
    ),
}


class Spanish:
    """The catalogue above; a message that it lacks is an error."""

    code = "es"

    def text(self, msgid: str, /, **fields: Any) -> str:
        return SPANISH[msgid].format(**fields)


class English:
    """Messages as they are."""

    code = "en"

    def text(self, msgid: str, /, **fields: Any) -> str:
        assert msgid in SPANISH
        return msgid.format(**fields)


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
    middle, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
    )
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


def resnet50_layers() -> list[dict[str, Any]]:
    rows = [{**_layer("conv1_conv", "Conv2D", "stem", [112, 112, 64], 9472, "", 0, 64), "kernel": [7, 7]},
            {**_layer("pool1_pool", "MaxPooling2D", "stem", [56, 56, 64], 0, "", 0)}]  # fmt: skip
    for stage, blocks, filters, side in ((2, 3, 64, 56), (3, 4, 128, 28), (4, 6, 256, 14), (5, 3, 512, 7)):
        for block in range(1, blocks + 1):
            for index in range(0 if block == 1 else 1, 4):
                channels = filters * (4 if index in (0, 3) else 1)
                kernel = 3 if index == 2 else 1
                rows.append({**_layer(f"conv{stage}_block{block}_{index}_conv", "Conv2D", f"stage{stage}",
                                      [side, side, channels], 10_000, "", 0, channels), "kernel": [kernel, kernel]})  # fmt: skip
    return [*rows, _layer("predictions", "Dense", "head", [1000], 2_049_000, "", 0, 1000)]


def alexnet_layers() -> list[dict[str, Any]]:
    rows = []
    for index, (side, channels, kernel, pooled) in enumerate(
        ((55, 96, 11, 27), (27, 256, 5, 13), (13, 384, 3, 0), (13, 384, 3, 0), (13, 256, 3, 6)), 1
    ):
        rows.append({**_layer(f"conv{index}", "Conv2D", f"block{index}", [side, side, channels], 500_000, "", 0, channels),
                     "kernel": [kernel, kernel]})  # fmt: skip
        if pooled:
            rows.append(_layer(f"pool{index}", "MaxPooling2D", f"block{index}", [pooled, pooled, channels], 0, "", 0))
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


def samples(language: Any) -> dict[str, Figure]:
    """Every kind of figure, at every size at which it is drawn differently."""
    c = {"caption": "Caption.", "note": "Note."}
    vgg = _vgg19_layers()
    figures = {
        "vgg19": network.vgg19_drawing(vgg, language, **c),
        "networks": network.networks_drawing({"alexnet": alexnet_layers(), "vgg19": vgg, "resnet50": resnet50_layers()},
                                             language, **c),
        "blocks": bars.block_counts(vgg, language, **c),
        "compared": bars.networks_compared([
            bars.NetworkSize(network="alexnet", parameters=60_965_224, multiply_adds=724_406_816, top1=0.593, protocol="10-crop"),
            bars.NetworkSize(network="vgg19", parameters=143_667_240, multiply_adds=19_632_062_464, top1=0.713, protocol="single crop"),
            bars.NetworkSize(network="resnet50", parameters=25_636_712, multiply_adds=3_857_973_248, top1=0.749, protocol="single crop"),
        ], language, **c),
        "accuracy": bars.accuracy_comparison({
            name: {"train": share(int(5000 * (s + .12)), 5000), "validation": share(int(900 * s), 900), "test": share(int(1000 * (s - .01)), 1000)}
            for name, s in (("alexnet", .71), ("vgg19", .82), ("resnet50", .8))
        }, language, **c),
    }  # fmt: skip
    for epochs in (1, 8, 100):
        one = [history("vgg19", epochs, stopped="early" if epochs == 100 else "completed")]
        figures[f"loss-{epochs}"] = curves.loss_curves(one, language, **c)
        figures[f"accuracy-{epochs}"] = curves.accuracy_curves(one, language, **c)
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
    figures["accuracy-seeds"] = curves.accuracy_curves(seeds, language, **c)
    for count in (3, 10, 25, 100, 150):
        names, table = class_names(count), matrix(count)
        generator = np.random.default_rng(count)
        counts = {
            "train": generator.integers(300, 480, count),
            "validation": np.full(count, 60),
            "test": np.full(count, 60),
        }
        shares = [share(int(table[i, i]), int(table[i].sum())) for i in range(count)]
        figures[f"distribution-{count}"] = bars.class_distribution(names, counts, language, **c)
        figures[f"classes-{count}"] = bars.per_class_accuracy(names, shares, language, network="vgg19", **c)
        figures[f"confusion-{count}"] = confusion.confusion_matrix(table, names, language, **c)
    return figures


def texts(figure: Figure) -> list[str]:
    """All that is written in the drawing, tick labels included, in no order."""
    from matplotlib.text import Text

    drawing = paint(figure, PRINT)
    drawing.draw_without_rendering()
    return [text.get_text() for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]
