"""The comparison of the networks as published, and what each changes at the lab's input size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.networks import find_network, network_names
from report.activities.common import Answerer
from report.data.literature import REFERENCES
from report.data.records import Architecture, LabData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Evidence, Item, Quantity, Table, numbers_of, table
from report.evidence.words import joined, worded
from report.figures.network import networks_drawing
from report.figures.sizes import NetworkSize, networks_compared

CHANGES = {
    "input_size": "input size",
    "classes": "classes of the last layer",
    "stem": "first convolution (size/stride)",
    "stem_pool": "pooling after the first convolution",
    "last_pool": "last pooling",
    "flatten": "map before the dense layers",
    "batch_norm": "batch normalisation",
    "dropout": "dropout",
    "dense_units": "width of the dense layers",
}
"""Message ids of the adaptations' codes; an unknown code is printed as it is."""


def answer(lab: LabData, language: Language) -> Evidence:
    """Depth, parameters, work, activations and ImageNet results side by side."""
    text, names, sizes = language.text, dict[str, Any](), []
    networks = {name: lab.architectures[name] for name in network_names() if name in lab.architectures}
    for name, one in networks.items():
        q, result, counts = numbers_of(one.record), find_network(name).PUBLISHED[0], one.manifest
        names |= {f"{name}_{what}": q.count(counts[what]) for what in ("parameters", "multiply_adds", "activations")}
        names |= {
            f"{name}_weighted": q.count(sum(counts["weighted_layers"].values())),
            f"{name}_memory": _memory(one),
            f"{name}_top1": printed_error(result.top1_error),
            f"{name}_top5": printed_error(result.top5_error),
        }
        top1 = 1 - result.top1_error / 100
        sizes.append(
            NetworkSize(name, int(counts["parameters"]), int(counts["multiply_adds"]), top1, text(result.protocol))
        )
    for key, first, second, what in (
        ("vgg_over_resnet_parameters", "vgg19", "resnet50", "parameters"),
        ("vgg_over_resnet_work", "vgg19", "resnet50", "multiply_adds"),
        ("vgg_over_alexnet_work", "vgg19", "alexnet", "multiply_adds"),
    ):
        a, b = networks[first], networks[second]
        names[key] = numbers_of(a.record, b.record)(a.manifest[what] / b.manifest[what], "ratio")
    changes, records, resnet = _changes(lab, language), [one.record for one in networks.values()], networks["resnet50"]
    trained = [run for part in lab.parts.values() for run in part.runs]
    names |= {
        "resnet50_trainable": numbers_of(resnet.record).count(resnet.manifest["trainable"]),
        "adapted": bool(changes.rows),
        "smaller_images": all(
            run.architecture.manifest["image_size"] < min(find_network(run.network).PUBLISHED_SIZES) for run in trained
        ),
    }
    smallest = min(sizes, key=lambda one: one.parameters).network
    items: dict[str, Item] = {
        "networks": networks_drawing(
            {name: one.layers for name, one in networks.items()},
            language,
            caption=_caption(
                language,
                len(networks) == 3,
                msgid="Eight, nineteen and fifty layers: depth grew while the dense layers shrank",
            ),
            note=text("Drawn by the program from the layer tables of the networks as published."),
            source=records,
        ),
        "comparison": _comparison(networks, language),
        "imagenet": _imagenet(list(networks), language),
        "sizes": networks_compared(
            sizes,
            language,
            caption=_caption(
                language, smallest == "resnet50", msgid="ResNet-50 is the most accurate with the fewest parameters"
            ),
            note=text("Accuracy on the validation set of ImageNet, from the papers; 10 crops or one scale."),
            source=records,
        ),
    }
    return Evidence(names=names, items=items | ({"changes": changes} if changes.rows else {}))


def _memory(network: Architecture) -> Quantity:
    activations, how = network.manifest["activations"], "Four bytes an activation, one image"
    return numbers_of(network.record)(4 * activations, "bytes", how=how)


def printed_error(percent: float) -> Quantity:
    """A published error, printed with the decimals that it was published with."""
    how, digits = "Published error on the validation set of ImageNet", len(str(float(percent)).partition(".")[2])
    return Quantity(value=percent / 100, unit="share", how=how, digits=digits)


def _caption(language: Language, holds: bool, *, msgid: str) -> str:
    """What is claimed of the assignment's networks, where it holds of all that there are."""
    return language.text(msgid) if holds else language.text("The networks as published")


def _comparison(networks: Mapping[str, Architecture], language: Language) -> Table:
    text = language.text
    rows: list[Mapping[str, Cell]] = []
    for name, network in networks.items():
        q, layers = numbers_of(network.record), network.manifest["weighted_layers"]
        convolutions, dense = q.count(layers["convolution"]), q.count(layers["dense"])
        result = find_network(name).PUBLISHED[0]
        rows.append({
            "network": f"{network.manifest['title']} ({find_network(name).YEAR})",
            "depth": text("{convolutions} conv. + {dense} dense", convolutions=convolutions, dense=dense),
            "parameters": q.count(network.manifest["parameters"]),
            "multiply_adds": q.count(network.manifest["multiply_adds"]),
            "memory": _memory(network),
            "top1": printed_error(result.top1_error),
            "top5": printed_error(result.top5_error),
        })  # fmt: skip
    heads = {
        "network": text("Network"), "depth": text("Depth"), "parameters": text("Parameters"),
        "multiply_adds": text("Multiply-adds"), "memory": text("Activations"), "top1": text("Top-1 error"),
        "top5": text("Top-5 error"),
    }  # fmt: skip
    best = min(networks, key=lambda name: find_network(name).PUBLISHED[0].top1_error) == "resnet50"
    return table(
        _caption(language, best, msgid="ResNet-50 has the lowest error, with a fifth of VGG-19's multiply-adds"),
        heads,
        rows,
        note=text(
            "Counts of the networks as built here, equal to the published ones. Errors on ImageNet's validation set: "
            "AlexNet and ResNet-50 with 10 crops, VGG-19 at one scale, so they compare only roughly. Memory: activations "
            "of one image in float32."
        ),
        best=dict.fromkeys(("parameters", "multiply_adds", "memory", "top1", "top5"), "min"),
    )


def _imagenet(networks: Sequence[str], language: Language) -> Table:
    text = language.text
    rows: list[Mapping[str, Cell]] = [
        {
            "network": find_network(name).TITLE,
            "protocol": text(result.protocol),
            "top1": printed_error(result.top1_error),
            "top5": printed_error(result.top5_error),
            "source": REFERENCES[result.reference].named,
        }
        for name in networks
        for result in find_network(name).PUBLISHED
    ]
    heads = {
        "network": text("Network"), "protocol": text("Protocol"), "top1": text("Top-1 error"),
        "top5": text("Top-5 error"), "source": text("Source"),
    }  # fmt: skip
    note = text("Errors on the validation set of ImageNet as published; lower is better.")
    return table(text("The protocol alone moves the same network by several points"), heads, rows, note=note)


def _changes(lab: LabData, language: Language) -> Table:
    """How the networks that were trained differ from the published ones."""
    text, trained = language.text, {run.architecture.id: run for part in lab.parts.values() for run in part.runs}
    rows: list[Mapping[str, Cell]] = []
    for record, run in trained.items():
        classes = numbers_of(record).count(run.architecture.manifest["classes"])
        network = text("{network} ({classes} classes)", network=run.title, classes=classes)
        for change in run.architecture.manifest["adaptations"]:
            what = text(CHANGES.get(change["code"], change["code"]))
            published = published_words(change["published"], language)
            used = published_words(change["used"], language, record)
            rows.append({"network": network, "what": what, "published": published, "used": used})
    heads = {
        "network": text("Network"), "what": text("What changes"), "published": text("Published"),
        "used": text("Used here"),
    }  # fmt: skip
    caption = text("What the trained networks change of the published ones, to fit these images")
    return table(caption, heads, rows, note=text("Everything that is not listed is as published."))


def published_words(value: str, language: Language, *records: str) -> str:
    """A side of a change in words; each number of "11x11/4" is one by itself, and comes from `records`."""
    if value in ("none", "after each convolution"):
        return language.text(value)
    q, parts = numbers_of(*records), re.split(r"(\d+(?:\.\d+)?)", value.replace("x", "×"))
    return joined(
        worded(part, q(float(part), "number" if "." in part else "count")) if index % 2 else part
        for index, part in enumerate(parts)
    )


ANSWERS = {"comparison": Answerer(answer)}
