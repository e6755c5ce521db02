"""The comparison of AlexNet, VGG-19 and ResNet-50 as published, and what each changes at the lab's input size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from report.activities.common import count, of_records
from report.data.literature import IMAGENET_RESULTS, PublishedResult
from report.data.records import Architecture, LabData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Evidence, Quantity, Table
from report.evidence.words import joined, worded
from report.figures.network import networks_drawing
from report.figures.sizes import NetworkSize, networks_compared

ORDER = ("alexnet", "vgg19", "resnet50")

PUBLISHED_SIZE = 224
"""Side in pixels of the images that the networks were published for."""

YEARS = {"alexnet": 2012, "vgg19": 2014, "resnet50": 2015}

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
    networks = {name: lab.architectures[name] for name in ORDER}
    names = {f"{name}_parameters": _counted(one, "parameters") for name, one in networks.items()}
    names |= {f"{name}_multiply_adds": _counted(one, "multiply_adds") for name, one in networks.items()}
    names |= {f"{name}_activations": _counted(one, "activations") for name, one in networks.items()}
    changes, ids = _changes(lab, language), [one.record.id for one in networks.values()]
    return Evidence(
        names={
            **names,
            **{f"{name}_weighted": count(_weighted(one), runs=[one.record.id]) for name, one in networks.items()},
            **_errors(),
            "resnet50_trainable": _counted(networks["resnet50"], "trainable"),
            "vgg_over_resnet_parameters": _times(networks["vgg19"], networks["resnet50"], "parameters"),
            "vgg_over_resnet_work": _times(networks["vgg19"], networks["resnet50"], "multiply_adds"),
            "vgg_over_alexnet_work": _times(networks["vgg19"], networks["alexnet"], "multiply_adds"),
            "adapted": bool(changes.rows),
            "smaller_images": all(
                run.architecture.manifest["image_size"] < PUBLISHED_SIZE
                for part in lab.parts.values()
                for run in part.runs
            ),
            **{f"{name}_memory": _memory(one) for name, one in networks.items()},
        },
        items={
            "networks": of_records(
                networks_drawing(
                    {name: one.layers for name, one in networks.items()},
                    language,
                    caption=language.text("Eight, nineteen and fifty layers: depth grew while the dense layers shrank"),
                    note=language.text("Drawn by the program from the layer tables of the networks as published."),
                ),
                ids,
            ),
            "comparison": _comparison(networks, language),
            "imagenet": _imagenet(language),
            "sizes": of_records(
                networks_compared(
                    [_size(name, one, language) for name, one in networks.items()],
                    language,
                    caption=language.text("ResNet-50 is the most accurate with the fewest parameters"),
                    note=language.text(
                        "Accuracy on the validation set of ImageNet, from the papers; 10 crops or one scale."
                    ),
                ),
                ids,
            ),
            **({"changes": changes} if changes.rows else {}),
        },
    )


def _memory(network: Architecture) -> Quantity:
    return Quantity(
        value=4 * network.manifest["activations"], unit="bytes", runs=(network.record.id,),
        how="Four bytes an activation, one image",
    )  # fmt: skip


def _counted(network: Architecture, what: str) -> Quantity:
    return count(network.manifest[what], runs=[network.record.id])


def _weighted(network: Architecture) -> int:
    return sum(network.manifest["weighted_layers"].values())


def _times(one: Architecture, other: Architecture, what: str) -> Quantity:
    runs = (one.record.id, other.record.id)
    return Quantity(value=one.manifest[what] / other.manifest[what], unit="ratio", runs=runs)


def _errors() -> dict[str, Quantity]:
    """The headline result of each network, by name."""
    return {
        f"{result.network}_top{k}": _error(result.top1_error if k == 1 else result.top5_error)
        for result in _headlines().values()
        for k in (1, 5)
    }


def _headlines() -> dict[str, PublishedResult]:
    """The first result listed of each network."""
    return {result.network: result for result in reversed(IMAGENET_RESULTS)}


def _error(percent: float) -> Quantity:
    """Printed with the decimals that it was published with."""
    published = str(float(percent)).partition(".")[2]
    return Quantity(
        value=percent / 100,
        unit="share",
        how="Published error on the validation set of ImageNet",
        digits=len(published),
    )


def _size(name: str, network: Architecture, language: Language) -> NetworkSize:
    result = _headlines()[name]
    return NetworkSize(
        network=name,
        parameters=int(network.manifest["parameters"]),
        multiply_adds=int(network.manifest["multiply_adds"]),
        top1=1 - result.top1_error / 100,
        protocol=language.text(result.protocol),
    )


def _comparison(networks: Mapping[str, Architecture], language: Language) -> Table:
    rows: list[Mapping[str, Cell]] = []
    for name, network in networks.items():
        layers, result = network.manifest["weighted_layers"], _headlines()[name]
        rows.append(
            {
                "network": f"{network.manifest['title']} ({YEARS[name]})",
                "depth": language.text(
                    "{convolutions} conv. + {dense} dense",
                    convolutions=count(layers["convolution"], runs=[network.record.id]),
                    dense=count(layers["dense"], runs=[network.record.id]),
                ),
                "parameters": _counted(network, "parameters"),
                "multiply_adds": _counted(network, "multiply_adds"),
                "memory": _memory(network),
                "top1": _error(result.top1_error),
                "top5": _error(result.top5_error),
            }
        )
    return Table(
        caption=language.text("ResNet-50 has the lowest error, with a fifth of VGG-19's multiply-adds"),
        note=language.text(
            "Counts of the networks as built here, equal to the published ones. Errors on ImageNet's validation set: "
            "AlexNet and ResNet-50 with 10 crops, VGG-19 at one scale, so they compare only roughly. Memory: activations "
            "of one image in float32."
        ),
        columns=(
            Column(key="network", head=language.text("Network")),
            Column(key="depth", head=language.text("Depth")),
            Column(key="parameters", head=language.text("Parameters"), best="min"),
            Column(key="multiply_adds", head=language.text("Multiply-adds"), best="min"),
            Column(key="memory", head=language.text("Activations"), best="min"),
            Column(key="top1", head=language.text("Top-1 error"), best="min"),
            Column(key="top5", head=language.text("Top-5 error"), best="min"),
        ),
        rows=tuple(rows),
    )


def _imagenet(language: Language) -> Table:
    titles = {"alexnet": "AlexNet", "vgg19": "VGG-19", "resnet50": "ResNet-50"}
    sources = {
        "krizhevsky2012": "Krizhevsky et al. 2012",
        "simonyan2015": "Simonyan & Zisserman 2015",
        "he2016": "He et al. 2016",
        "chollet2015": "keras.io",
    }
    ordered = sorted(IMAGENET_RESULTS, key=lambda result: ORDER.index(result.network))
    return Table(
        caption=language.text("The protocol alone moves the same network by several points"),
        note=language.text("Errors on the validation set of ImageNet as published; lower is better."),
        columns=(
            Column(key="network", head=language.text("Network")),
            Column(key="protocol", head=language.text("Protocol")),
            Column(key="top1", head=language.text("Top-1 error")),
            Column(key="top5", head=language.text("Top-5 error")),
            Column(key="source", head=language.text("Source")),
        ),
        rows=tuple(
            {
                "network": titles[result.network],
                "protocol": language.text(result.protocol),
                "top1": _error(result.top1_error),
                "top5": _error(result.top5_error),
                "source": sources[result.reference],
            }
            for result in ordered
        ),
    )


def _changes(lab: LabData, language: Language) -> Table:
    """How the networks that were trained differ from the published ones."""
    trained = {run.architecture.id: run for part in lab.parts.values() for run in part.runs}
    rows: list[Mapping[str, Cell]] = []
    for run in trained.values():
        for change in run.architecture.manifest["adaptations"]:
            code = change["code"]
            rows.append(
                {
                    "network": language.text(
                        "{network} ({classes} classes)",
                        network=run.title,
                        classes=count(run.architecture.manifest["classes"], runs=[run.architecture.id]),
                    ),
                    "what": language.text(CHANGES[code]) if code in CHANGES else code,
                    "published": published_words(change["published"], language, ()),
                    "used": published_words(change["used"], language, (run.architecture.id,)),
                }
            )
    return Table(
        caption=language.text("What the trained networks change of the published ones, to fit these images"),
        note=language.text("Everything that is not listed is as published."),
        columns=(
            Column(key="network", head=language.text("Network")),
            Column(key="what", head=language.text("What changes")),
            Column(key="published", head=language.text("Published")),
            Column(key="used", head=language.text("Used here")),
        ),
        rows=tuple(rows),
    )


def published_words(value: str, language: Language, runs: Sequence[str] = ()) -> str:
    """A side of a change in words; each number of "11x11/4" is one by itself."""
    words = {"none": "none", "after each convolution": "after each convolution"}
    if value in words:
        return language.text(words[value])
    parts = re.split(r"(\d+(?:\.\d+)?)", value.replace("x", "×"))
    return joined(worded(part, _of_record(part, runs)) if index % 2 else part for index, part in enumerate(parts))


def _of_record(text: str, runs: Sequence[str]) -> Quantity:
    return Quantity(value=float(text), unit="number" if "." in text else "count", runs=tuple(runs))
