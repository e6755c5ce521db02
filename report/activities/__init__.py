"""The report's sections in order, each with the module that answers it.

A new activity is one module with an answering function, one template and one commentary file of the same names, and
one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from report.activities import (
    architecture,
    comparison,
    conclusions,
    curves,
    dataset,
    introduction,
    results,
    sanity,
    training,
)
from report.evidence import Evidence
from report.language import Language
from report.records import LabData


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        key: names its commentary file and its place in the page.
        number: of the activity, None for what is not one.
        part: "1", "comparison", "2_1", "2_2", or None outside the parts.
        title_msgid: its title, as a message id.
        module: names its layout template.
        answer: gathers its evidence.
    """

    key: str
    number: int | None
    part: str | None
    title_msgid: str
    module: str
    answer: Callable[[LabData, Language], Evidence]


def _activity(number: int, part: str, title_msgid: str, module: str, answer: Callable[..., Evidence]) -> Section:
    return Section(f"activity-{number:02d}", number, part, title_msgid, module, answer)


def _trained(first: int, part: str) -> tuple[Section, ...]:
    """The three questions that are asked of each data set: strategy, curves, results."""
    return (
        _activity(first, part, "Training strategy", "training", partial(training.answer, part=part)),
        _activity(first + 1, part, "Training curves", "curves", partial(curves.answer, part=part)),
        _activity(first + 2, part, "Results on the test set", "results", partial(results.answer, part=part)),
    )


SECTIONS: tuple[Section, ...] = (
    Section("introduction", None, None, "Introduction", "introduction", introduction.answer),
    _activity(1, "1", "Blocks 1 and 2", "architecture", architecture.blocks_1_and_2),
    _activity(2, "1", "Block 3", "architecture", architecture.block_3),
    _activity(3, "1", "Blocks 4 and 5", "architecture", architecture.blocks_4_and_5),
    _activity(4, "1", "Flattening", "architecture", architecture.flattening),
    _activity(5, "1", "First dense layer", "architecture", architecture.first_dense_layer),
    _activity(6, "1", "Layers 7 and 8: filters and parameters", "architecture", architecture.whole_network),
    Section("comparison", None, "comparison", "AlexNet, VGG-19 and ResNet-50", "comparison", comparison.answer),
    *_trained(7, "2_1"),
    _activity(10, "2_2", "The data set", "dataset", partial(dataset.answer, part="2_2")),
    *_trained(11, "2_2"),
    Section("conclusions", None, None, "Conclusions", "conclusions", conclusions.answer),
    Section("sanity", None, None, "Appendix: sanity checks", "sanity", sanity.answer),
)
