"""Activities 1 to 6: VGG-19 built layer by layer, from the construction record and the layer table of the published
network (Simonyan & Zisserman 2015, configuration E)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from report.activities.common import Answerer
from report.data.records import Architecture, LabData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Evidence, Listing, Quantity, Table, numbers_of, table
from report.figures.network import shape_words, vgg19_drawing
from report.figures.sizes import block_counts

Step = Mapping[str, Any]
Sums = Mapping[str, int]

FIGURE_1 = {
    "block1": (112, 112, 64), "block2": (56, 56, 128), "block3": (28, 28, 256), "block4": (14, 14, 512),
    "block5": (7, 7, 512), "flatten": (25088,), "fc6": (4096,), "fc7": (4096,), "fc8": (1000,),
}  # fmt: skip
"""What the assignment's figure 1 shows after each step, without the batch axis."""

_SUMMED = ("filters", "parameters", "multiply_adds", "activations")


def agrees(vgg: Architecture) -> bool:
    """Whether each step has figure 1's output, and Keras's count is the formula's."""
    return all(
        tuple(step["outputs"][-1]["shape"]) == FIGURE_1[step["block"]]
        and step["parameters"] == step["formula_parameters"]
        for step in vgg.construction
    )


def blocks_1_and_2(lab: LabData, language: Language) -> Evidence:
    """Shapes before and after pooling, summary, parameters by formula and by Keras, for the first two blocks."""
    vgg, text = lab.architectures["vgg19"], language.text
    drawing = vgg19_drawing(
        vgg.layers,
        language,
        caption=text("VGG-19: five blocks of convolutions halve the map and widen it, three dense layers decide"),
        note=text("Drawn by the program from the layer table of the network as published."),
        source=[vgg.record],
    )
    evidence = _steps(vgg, language, ["block1", "block2"], summary=True)
    return Evidence(names=evidence.names, items={"drawing": drawing, **evidence.items})


def block_3(lab: LabData, language: Language) -> Evidence:
    """The third block."""
    return _steps(lab.architectures["vgg19"], language, ["block3"], summary=True)


def blocks_4_and_5(lab: LabData, language: Language) -> Evidence:
    """Blocks 4 and 5, and where the growth in parameters comes from."""
    vgg, q = lab.architectures["vgg19"], numbers_of(lab.architectures["vgg19"].record)
    by_block = {name: row["parameters"] for name, row in by_blocks(vgg.layers).items()}
    convolutional, last_two = sum(by_block[f"block{i}"] for i in range(1, 6)), by_block["block4"] + by_block["block5"]
    largest = max((row for row in vgg.layers if row["kind"] == "Conv2D"), key=lambda row: int(row["parameters"]))
    how = "Parameters of blocks 4 and 5 over all convolutional ones"
    return _steps(
        vgg, language, ["block4", "block5"],
        share_of_last_two=q(last_two / convolutional, "share", how=how),
        one_wide_convolution=q.count(largest["parameters"]), one_wide_formula=largest["formula"],
    )  # fmt: skip


def flattening(lab: LabData, language: Language) -> Evidence:
    """`Flatten`: 7x7x512 values in a row."""
    vgg, (height, width, channels) = lab.architectures["vgg19"], FIGURE_1["block5"]
    sides = {"height": height, "width": width, "channels": channels, "flat": height * width * channels}
    counted: dict[str, Any] = {key: numbers_of(vgg.record).count(value) for key, value in sides.items()}
    return _steps(vgg, language, ["flatten"], **counted)


def first_dense_layer(lab: LabData, language: Language) -> Evidence:
    """The first dense layer, which holds most of the network's parameters."""
    vgg, q = lab.architectures["vgg19"], numbers_of(lab.architectures["vgg19"].record)
    before, fc6 = _step(vgg, "flatten")["parameters"], _step(vgg, "fc6")
    share = fc6["added_parameters"] / int(vgg.manifest["parameters"])
    how = "Parameters of the layer over all parameters"
    times = q(fc6["parameters"] / before, "ratio", how="Parameters with the layer over parameters without it")
    return _steps(
        vgg, language, ["fc6"], before=q.count(before), times_before=times, share_of_all=q(share, "share", how=how),
        inputs=q.count(FIGURE_1["flatten"][0]), units=q.count(FIGURE_1["fc6"][0]),
    )  # fmt: skip


def whole_network(lab: LabData, language: Language) -> Evidence:
    """Layers 7 and 8; filters, parameters, multiply-adds and activations by block."""
    vgg, text, q = lab.architectures["vgg19"], language.text, numbers_of(lab.architectures["vgg19"].record)
    by_block = by_blocks(vgg.layers)
    blocks = {name: row for name, row in by_block.items() if row["filters"]}
    dense = {key: sum(row[key] for name, row in by_block.items() if name not in blocks) for key in _SUMMED}
    total = {key: sum(row[key] for row in by_block.values()) for key in _SUMMED}
    early = {key: blocks["block1"][key] + blocks["block2"][key] for key in _SUMMED}
    most = max(row["filters"] for row in blocks.values())
    heaviest = max(blocks, key=lambda name: blocks[name]["parameters"])

    def inside(block: str) -> str:
        name = _title(block, language)
        return name[:1].lower() + name[1:]

    def part(of: Mapping[str, int], key: str, how: str) -> Quantity:
        return q(of[key] / total[key], "share", how=how)

    evidence = _steps(
        vgg, language, ["fc7", "fc8"], summary=True,
        convolutions=q.count(sum(row["kind"] == "Conv2D" for row in vgg.layers)),
        filters=q.count(sum(row["filters"] for row in blocks.values())),
        widest_blocks=[inside(name) for name, row in blocks.items() if row["filters"] == most],
        most_filters=q.count(most),
        heaviest_block=inside(heaviest),
        heaviest_parameters=q.count(blocks[heaviest]["parameters"]),
        dense_parameters=q.count(dense["parameters"]),
        dense_share=part(dense, "parameters", "Parameters of the dense layers over all"),
        convolutional_parameters=q.count(total["parameters"] - dense["parameters"]),
        multiply_adds=q.count(total["multiply_adds"]),
        dense_work_share=part(dense, "multiply_adds", "Multiply-adds of the dense layers over all"),
        early_parameter_share=part(early, "parameters", "Parameters of blocks 1 and 2 over all"),
        early_activation_share=part(early, "activations", "Activations of blocks 1 and 2 over all"),
        weight_bytes=q(4 * total["parameters"], "bytes", how="Four bytes a parameter"),
        two_small_weights=q.count(2 * 9 * 512 * 512),
        one_large_weights=q.count(25 * 512 * 512),
    )  # fmt: skip
    caption = text(
        "Filters grow with depth, but the dense layers hold the parameters and the first blocks the activations"
    )
    note = text("One image of 224×224 pixels; multiply-adds count each use of a weight once.")
    sizes = block_counts(vgg.layers, language, caption=caption, note=note, source=[vgg.record])
    items: dict[str, Any] = {"blocks": _block_table(vgg, blocks, dense, total, language), "sizes": sizes}
    return Evidence(names=evidence.names, items={**evidence.items, **items})


def _block_table(
    vgg: Architecture, blocks: Mapping[str, Sums], dense: Sums, total: Sums, language: Language
) -> Table:  # fmt: skip
    text, q, how = language.text, numbers_of(vgg.record), "Parameters over all parameters"
    named = {_title(name, language): row for name, row in blocks.items()}
    rows: list[Mapping[str, Cell]] = [
        {
            "block": name,
            "filters": q.count(row["filters"]) if row["filters"] else None,
            "parameters": q.count(row["parameters"]),
            "part": q(row["parameters"] / total["parameters"], "share", how=how),
            "multiply_adds": q.count(row["multiply_adds"]),
            "activations": q.count(row["activations"]),
        }
        for name, row in (*named.items(), (text("Dense layers"), dense), (text("All"), total))
    ]
    heads = {
        "block": text("Block"), "filters": text("Filters"), "parameters": text("Parameters"), "part": text("Share"),
        "multiply_adds": text("Multiply-adds"), "activations": text("Activations"),
    }  # fmt: skip
    caption = text("Blocks 4 and 5 tie in filters; the dense layers have far more parameters than all of them")
    note = text("Multiply-adds and activations for one image of 224×224 pixels.")
    return table(caption, heads, rows, note=note)


def _steps(
    vgg: Architecture, language: Language, blocks: Sequence[str], *, summary: bool = False, **more: Any
) -> Evidence:
    """What was built in `blocks`: listings, the layers with their formulas, the totals, and Keras's summary if asked for."""
    steps, text, q = [_step(vgg, block) for block in blocks], language.text, numbers_of(vgg.record)
    first, last, shape = steps[0], steps[-1], partial(shape_words, language=language)
    items: dict[str, Any] = {}
    for step in steps:
        title = _title(step["block"], language)
        caption = text("{block}: the code that was executed and what it printed", block=title)
        items[step["block"]] = Listing(caption=caption, code=step["code"], output=step["output"])
    items["layers"] = _layer_table(vgg, blocks, language)
    if summary:
        caption = text("What the network is by now, by Keras's own summary")
        items["summary"] = Listing(caption=caption, code="modelVGG19.summary()", output=last["summary"].rstrip())
    names = {
        "parameters": q.count(last["parameters"], "Keras's count, equal to the sum of the formulas"),
        "formula_parameters": q.count(last["formula_parameters"]),
        "added": q.count(sum(step["added_parameters"] for step in steps), "Parameters that these layers add"),
        "added_by": [q.count(step["added_parameters"]) for step in steps],
        "shapes_agree": all(tuple(step["outputs"][-1]["shape"]) == FIGURE_1[step["block"]] for step in steps),
        "counts_agree": last["parameters"] == last["formula_parameters"],
        "before_pooling": shape(last["outputs"][0]["shape"], source=[vgg.record]),
        "after": shape(last["outputs"][-1]["shape"], source=[vgg.record]),
        "first_after": shape(first["outputs"][-1]["shape"], source=[vgg.record]),
    }
    return Evidence(names={**names, **more}, items=items)


def _step(vgg: Architecture, block: str) -> Step:
    return next(step for step in vgg.construction if step["block"] == block)


def _layer_table(vgg: Architecture, blocks: Sequence[str], language: Language) -> Table:
    """Each layer that a step of the construction stands for: output, formula, its value and Keras's count."""
    text, q = language.text, numbers_of(vgg.record)
    dense = [row for row in vgg.layers if row["kind"] == "Dense"]
    single = {"flatten": next(row for row in vgg.layers if row["kind"] == "Flatten")}
    single |= dict(zip(("fc6", "fc7", "fc8"), dense, strict=True))
    wanted = [
        row
        for block in blocks
        for row in ([single[block]] if block in single else [one for one in vgg.layers if one["block"] == block])
    ]
    rows: list[Mapping[str, Cell]] = [
        {
            "layer": row["name"],
            "output": shape_words(row["output_shape"], language, [vgg.record]),
            "formula": row["formula"] if row["parameters"] else text("no weights"),
            "by_formula": q.count(row["formula_parameters"]),
            "by_keras": q.count(row["parameters"]),
        }
        for row in wanted
    ]
    heads = {
        "layer": text("Layer"), "output": text("Output"), "formula": text("Formula"), "by_formula": text("By formula"),
        "by_keras": text("By Keras"),
    }  # fmt: skip
    note = text("A convolution has (height · width · input channels + 1) · filters parameters, the 1 being the bias.")
    return table(
        text("The formula gives for each layer the number of parameters that Keras counts"), heads, rows, note=note
    )


def by_blocks(layers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Filters, parameters, multiply-adds and activations by block; filters of convolutions only."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for row in layers:
        for key in _SUMMED:
            sums[row["block"]][key] += row[key] if key != "filters" or row["kind"] == "Conv2D" else 0
    return dict(sums)


def _title(block: str, language: Language) -> str:
    if block.startswith("block"):
        return language.text("Block {number}", number=block.removeprefix("block"))
    return "Flatten" if block == "flatten" else language.text("Layer {number}", number=block.removeprefix("fc"))


ANSWERS = {
    f"architecture.{answer.__name__}": Answerer(answer)
    for answer in (blocks_1_and_2, block_3, blocks_4_and_5, flattening, first_dense_layer, whole_network)
}
