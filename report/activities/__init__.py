"""The answerers: what can gather the evidence of a section, by the names that a rubric uses for them.

A new answerer is one module with an answering function, one layout template of the module's name in
`templates/activities/`, and one line here. Which sections a report has, in which order, is the rubric's to say
(`report.document.rubric`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from report.evidence.quantity import Evidence


@dataclass(frozen=True)
class Answerer:
    """Gathers a section's evidence.

    Attributes:
        answer: called with (lab, language), and with `part=` where it is about a data set.
        of_data: whether it is asked of one data set, so that its section belongs to a part that names one.
        needs_runs: whether there is nothing to say before a network was trained on that data set.
    """

    answer: Callable[..., Evidence]
    of_data: bool = False
    needs_runs: bool = False


ANSWERERS: Mapping[str, Answerer] = {
    "introduction": Answerer(introduction.answer),
    "architecture.blocks_1_and_2": Answerer(architecture.blocks_1_and_2),
    "architecture.block_3": Answerer(architecture.block_3),
    "architecture.blocks_4_and_5": Answerer(architecture.blocks_4_and_5),
    "architecture.flattening": Answerer(architecture.flattening),
    "architecture.first_dense_layer": Answerer(architecture.first_dense_layer),
    "architecture.whole_network": Answerer(architecture.whole_network),
    "comparison": Answerer(comparison.answer),
    "dataset": Answerer(dataset.answer, of_data=True),
    "training": Answerer(training.answer, of_data=True, needs_runs=True),
    "curves": Answerer(curves.answer, of_data=True, needs_runs=True),
    "results": Answerer(results.answer, of_data=True, needs_runs=True),
    "conclusions": Answerer(conclusions.answer),
    "sanity": Answerer(sanity.answer),
}
"""By name: the module's, which is also its layout template's, and after a dot the question where it answers several."""
