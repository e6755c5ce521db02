"""Activities 1 to 6: VGG-19 built layer by layer, from the construction record and the layer table of the published
network (Simonyan & Zisserman 2015, configuration E)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from report.activities.common import counts_of, of_records, shape_words
from report.data.records import Architecture, LabData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Evidence, Listing, Quantity, Table
from report.figures.network import vgg19_drawing
from report.figures.sizes import block_counts

Step = Mapping[str, Any]

FIGURE_1 = {
    "block1": (112, 112, 64),
    "block2": (56, 56, 128),
    "block3": (28, 28, 256),
    "block4": (14, 14, 512),
    "block5": (7, 7, 512),
    "flatten": (25088,),
    "fc6": (4096,),
    "fc7": (4096,),
    "fc8": (1000,),
}
"""What the assignment's figure 1 shows after each step, without the batch axis."""


def agrees(vgg: Architecture) -> bool:
    """Whether each step has figure 1's output, and Keras's count is the formula's."""
    return all(
        tuple(step["outputs"][-1]["shape"]) == FIGURE_1[step["block"]]
        and step["parameters"] == step["formula_parameters"]
        for step in vgg.construction
    )


def blocks_1_and_2(lab: LabData, language: Language) -> Evidence:
    """Shapes before and after pooling, summary, parameters by formula and by Keras, for the first two blocks."""
    vgg = lab.architectures["vgg19"]
    evidence = _steps(vgg, language, ["block1", "block2"], summary=True)
    drawing = vgg19_drawing(
        vgg.layers,
        language,
        caption=language.text(
            "VGG-19: five blocks of convolutions halve the map and widen it, three dense layers decide"
        ),
        note=language.text("Drawn by the program from the layer table of the network as published."),
    )
    return Evidence(names=evidence.names, items={"drawing": of_records(drawing, [vgg.record.id]), **evidence.items})


def block_3(lab: LabData, language: Language) -> Evidence:
    """The third block."""
    return _steps(lab.architectures["vgg19"], language, ["block3"], summary=True)


def blocks_4_and_5(lab: LabData, language: Language) -> Evidence:
    """Blocks 4 and 5, and where the growth in parameters comes from."""
    vgg = lab.architectures["vgg19"]
    counted = counts_of(vgg.record)
    evidence = _steps(vgg, language, ["block4", "block5"])
    by_block = _by_block(vgg.layers)
    convolutional = sum(by_block[f"block{i}"]["parameters"] for i in range(1, 6))
    last_two = by_block["block4"]["parameters"] + by_block["block5"]["parameters"]
    return Evidence(
        names={
            **evidence.names,
            "share_of_last_two": _share(
                last_two, convolutional, "Parameters of blocks 4 and 5 over all convolutional ones", vgg
            ),
            "one_wide_convolution": counted(_largest_convolution(vgg.layers)["parameters"]),
            "one_wide_formula": _largest_convolution(vgg.layers)["formula"],
        },
        items=evidence.items,
    )


def flattening(lab: LabData, language: Language) -> Evidence:
    """`Flatten`: 7x7x512 values in a row."""
    vgg = lab.architectures["vgg19"]
    counted = counts_of(vgg.record)
    height, width, channels = FIGURE_1["block5"]
    names = {"height": counted(height), "width": counted(width), "channels": counted(channels)}
    evidence = _steps(vgg, language, ["flatten"])
    return Evidence(names={**evidence.names, **names, "flat": counted(height * width * channels)}, items=evidence.items)


def first_dense_layer(lab: LabData, language: Language) -> Evidence:
    """The first dense layer, which holds most of the network's parameters."""
    vgg = lab.architectures["vgg19"]
    counted = counts_of(vgg.record)
    evidence = _steps(vgg, language, ["fc6"])
    before = _step(vgg, "flatten")["parameters"]
    fc6 = _step(vgg, "fc6")
    whole = int(vgg.manifest["parameters"])
    return Evidence(
        names={
            **evidence.names,
            "before": counted(before),
            "times_before": Quantity(
                value=fc6["parameters"] / before,
                unit="ratio",
                runs=(vgg.record.id,),
                how="Parameters with the layer over parameters without it",
            ),
            "share_of_all": _share(fc6["added_parameters"], whole, "Parameters of the layer over all parameters", vgg),
            "inputs": counted(FIGURE_1["flatten"][0]),
            "units": counted(FIGURE_1["fc6"][0]),
        },
        items=evidence.items,
    )


def whole_network(lab: LabData, language: Language) -> Evidence:
    """Layers 7 and 8; filters, parameters, multiply-adds and activations by block."""
    vgg = lab.architectures["vgg19"]
    counted = counts_of(vgg.record)
    evidence = _steps(vgg, language, ["fc7", "fc8"], summary=True)
    by_block = _by_block(vgg.layers)
    blocks = {name: row for name, row in by_block.items() if row["filters"]}
    dense = {key: sum(row[key] for name, row in by_block.items() if name not in blocks) for key in _SUMMED}
    total = {key: sum(row[key] for row in by_block.values()) for key in _SUMMED}
    most_filters = max(row["filters"] for row in blocks.values())
    early = blocks["block1"], blocks["block2"]
    return Evidence(
        names={
            **evidence.names,
            "convolutions": counted(sum(row["kind"] == "Conv2D" for row in vgg.layers)),
            "filters": counted(sum(row["filters"] for row in blocks.values())),
            "widest_blocks": [
                _in_sentence(_block_name(name, language))
                for name, row in blocks.items()
                if row["filters"] == most_filters
            ],
            "most_filters": counted(most_filters),
            "heaviest_block": _in_sentence(
                _block_name(max(blocks, key=lambda name: blocks[name]["parameters"]), language)
            ),
            "heaviest_parameters": counted(max(row["parameters"] for row in blocks.values())),
            "dense_parameters": counted(dense["parameters"]),
            "dense_share": _share(
                dense["parameters"], total["parameters"], "Parameters of the dense layers over all", vgg
            ),
            "convolutional_parameters": counted(total["parameters"] - dense["parameters"]),
            "multiply_adds": counted(total["multiply_adds"]),
            "dense_work_share": _share(
                dense["multiply_adds"], total["multiply_adds"], "Multiply-adds of the dense layers over all", vgg
            ),
            "early_parameter_share": _share(
                sum(row["parameters"] for row in early),
                total["parameters"],
                "Parameters of blocks 1 and 2 over all",
                vgg,
            ),
            "early_activation_share": _share(
                sum(row["activations"] for row in early),
                total["activations"],
                "Activations of blocks 1 and 2 over all",
                vgg,
            ),
            "weight_bytes": Quantity(
                value=4 * total["parameters"], unit="bytes", runs=(vgg.record.id,), how="Four bytes a parameter"
            ),
            "two_small_weights": counted(2 * 9 * 512 * 512),
            "one_large_weights": counted(25 * 512 * 512),
        },
        items={
            **evidence.items,
            "blocks": _block_table(vgg, blocks, dense, total, language),
            "sizes": of_records(
                block_counts(
                    vgg.layers,
                    language,
                    caption=language.text(
                        "Filters grow with depth, but the dense layers hold the parameters and the first blocks the activations"
                    ),
                    note=language.text("One image of 224×224 pixels; multiply-adds count each use of a weight once."),
                ),
                [vgg.record.id],
            ),
        },
    )


_SUMMED = ("filters", "parameters", "multiply_adds", "activations")


def _steps(vgg: Architecture, language: Language, blocks: Sequence[str], *, summary: bool = False) -> Evidence:
    """What was built in `blocks`: listings, the layers with their formulas, the totals, and Keras's summary if asked for."""
    steps, counted = [_step(vgg, block) for block in blocks], counts_of(vgg.record)
    last = steps[-1]
    agree = all(tuple(step["outputs"][-1]["shape"]) == FIGURE_1[step["block"]] for step in steps)
    names = {
        "parameters": counted(last["parameters"], how="Keras's count, equal to the sum of the formulas"),
        "formula_parameters": counted(last["formula_parameters"]),
        "added": counted(sum(step["added_parameters"] for step in steps), how="Parameters that these layers add"),
        "added_by": [counted(step["added_parameters"]) for step in steps],
        "shapes_agree": agree,
        "counts_agree": last["parameters"] == last["formula_parameters"],
        "before_pooling": shape_words(steps[-1]["outputs"][0]["shape"], language, counted),
        "after": shape_words(last["outputs"][-1]["shape"], language, counted),
        "first_after": shape_words(steps[0]["outputs"][-1]["shape"], language, counted),
    }
    items: dict[str, Any] = {
        step["block"]: Listing(
            caption=language.text(
                "{block}: the code that was executed and what it printed", block=_title(step, language)
            ),
            code=step["code"],
            output=step["output"],
        )
        for step in steps
    }
    items["layers"] = _layer_table(vgg, steps, language)
    if summary:
        items["summary"] = Listing(
            caption=language.text("What the network is by now, by Keras's own summary"),
            code="modelVGG19.summary()",
            output=last["summary"].rstrip(),
        )
    return Evidence(names=names, items=items)


def _step(vgg: Architecture, block: str) -> Step:
    return next(step for step in vgg.construction if step["block"] == block)


def _layer_table(vgg: Architecture, steps: Sequence[Step], language: Language) -> Table:
    """Each layer of `steps`: output, formula, its value and Keras's count."""
    counted = counts_of(vgg.record)
    wanted = [row for step in steps for row in _rows_of(vgg, step["block"])]
    rows: list[Mapping[str, Cell]] = [
        {
            "layer": row["name"],
            "output": shape_words(row["output_shape"], language, counted),
            "formula": row["formula"] if row["parameters"] else language.text("no weights"),
            "by_formula": counted(row["formula_parameters"]),
            "by_keras": counted(row["parameters"]),
        }
        for row in wanted
    ]
    return Table(
        caption=language.text("The formula gives for each layer the number of parameters that Keras counts"),
        note=language.text(
            "A convolution has (height · width · input channels + 1) · filters parameters, the 1 being the bias."
        ),
        columns=(
            Column(key="layer", head=language.text("Layer")),
            Column(key="output", head=language.text("Output")),
            Column(key="formula", head=language.text("Formula")),
            Column(key="by_formula", head=language.text("By formula")),
            Column(key="by_keras", head=language.text("By Keras")),
        ),
        rows=tuple(rows),
    )


def _rows_of(vgg: Architecture, block: str) -> list[Mapping[str, Any]]:
    """The published network's layers that a step of the construction stands for."""
    if block.startswith("block"):
        return [row for row in vgg.layers if row["block"] == block]
    kinds = {"flatten": ("Flatten", 0), "fc6": ("Dense", 0), "fc7": ("Dense", 1), "fc8": ("Dense", 2)}
    kind, index = kinds[block]
    return [[row for row in vgg.layers if row["kind"] == kind][index]]


def _by_block(layers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Filters, parameters, multiply-adds and activations by block; filters of convolutions only."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for row in layers:
        block = sums[row["block"]]
        block["filters"] += row["filters"] if row["kind"] == "Conv2D" else 0
        for key in ("parameters", "multiply_adds", "activations"):
            block[key] += row[key]
    return dict(sums)


def _block_table(
    vgg: Architecture,
    blocks: Mapping[str, Mapping[str, int]],
    dense: Mapping[str, int],
    total: Mapping[str, int],
    language: Language,
) -> Table:
    counted = counts_of(vgg.record)

    def line(name: str, row: Mapping[str, int]) -> Mapping[str, Cell]:
        return {
            "block": name,
            "filters": counted(row["filters"]) if row["filters"] else None,
            "parameters": counted(row["parameters"]),
            "part": _share(row["parameters"], total["parameters"], "Parameters over all parameters", vgg),
            "multiply_adds": counted(row["multiply_adds"]),
            "activations": counted(row["activations"]),
        }

    return Table(
        caption=language.text(
            "Blocks 4 and 5 tie in filters; the dense layers have far more parameters than all of them"
        ),
        note=language.text("Multiply-adds and activations for one image of 224×224 pixels."),
        columns=(
            Column(key="block", head=language.text("Block")),
            Column(key="filters", head=language.text("Filters")),
            Column(key="parameters", head=language.text("Parameters")),
            Column(key="part", head=language.text("Share")),
            Column(key="multiply_adds", head=language.text("Multiply-adds")),
            Column(key="activations", head=language.text("Activations")),
        ),
        rows=(
            *(line(_block_name(name, language), row) for name, row in blocks.items()),
            line(language.text("Dense layers"), dense),
            line(language.text("All"), total),
        ),
    )


def _title(step: Step, language: Language) -> str:
    block = str(step["block"])
    if block.startswith("block"):
        return _block_name(block, language)
    return "Flatten" if block == "flatten" else language.text("Layer {number}", number=block.removeprefix("fc"))


def _block_name(block: str, language: Language) -> str:
    return language.text("Block {number}", number=block.removeprefix("block"))


def _in_sentence(name: str) -> str:
    return name[:1].lower() + name[1:]


def _largest_convolution(layers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return max((row for row in layers if row["kind"] == "Conv2D"), key=lambda row: int(row["parameters"]))


def _share(part: int, whole: int, how: str, vgg: Architecture) -> Quantity:
    return Quantity(value=part / whole, unit="share", how=how, runs=(vgg.record.id,))
