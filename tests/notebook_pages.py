"""A small report for tests of the notebook: Part 1 as listings, Part 2 with every kind of item."""

from __future__ import annotations

from functools import partial
from typing import Any

import psutil

from report.data.records import LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Item, Listing, Quantity
from tests.figure_samples import samples
from tests.pages import PlainSection, build_evidence

STEPS = {
    1: ("block1", "block2"),
    2: ("block3",),
    3: ("block4", "block5"),
    4: ("flatten",),
    5: ("fc6",),
    6: ("fc7", "fc8"),
}
"""Which steps of VGG-19's construction each activity of Part 1 runs."""

PRICE = "$5 and $6 <b>"


def built(data: LabData, language: Language, *, activity: int) -> Evidence:
    """The steps of one activity of Part 1, as listings with what was printed when they ran."""
    steps = [step for step in data.architectures["vgg19"].construction if step["block"] in STEPS[activity]]
    listings: dict[str, Item] = {
        step["block"]: Listing(caption=f"Block {step['block']}", code=step["code"], output=step["output"])
        for step in steps
    }
    last = steps[-1]
    if activity == 1:
        listings["summary"] = Listing(caption="So far", code="modelVGG19.summary()", output=last["summary"])
    return Evidence(names={"parameters": Quantity(value=last["parameters"], unit="count")}, items=listings)


def drawn(data: LabData, language: Language, *, names: tuple[str, ...]) -> Evidence:
    """Some of the sample figures."""
    return Evidence(names={"price": PRICE}, items={name: samples(language)[name] for name in names})


def results(data: LabData, language: Language) -> Evidence:
    """A table and a gallery, both with class names that look like Markdown and HTML."""
    evidence = build_evidence(data, language)
    return Evidence(names=evidence.names, items={name: evidence.items[name] for name in ("results", "mistakes")})


SECTIONS = (
    PlainSection("introduction", None, None, "introduction", lambda data, language: Evidence()),
    *(PlainSection(f"activity-{n:02d}", n, "1", "architecture", partial(built, activity=n)) for n in STEPS),
    PlainSection("comparison", None, "comparison", "comparison", partial(drawn, names=("networks",))),
    PlainSection("activity-07", 7, "2_1", "training", results),
    PlainSection("activity-08", 8, "2_1", "curves", partial(drawn, names=("accuracy-8", "loss-8"))),
)
PROSE: dict[str, Any] = {
    "introduction": "{# generated: remove this line when you have reviewed the text #}\nLab **{{ lab.title }}**.\n",
    **{f"activity-{n:02d}": "It has {{ parameters }} parameters {{ cite('vgg') }}.\n" for n in STEPS},
    "activity-01": "Before {{ ref('block1') }}.\n\n{{ listing('block1') }}\n\nThen {{ parameters }} parameters.\n",
    "comparison": "It costs {{ price }}.\n",
    "activity-07": "Accuracy **{{ accuracy|interval }}** of {{ best.name }} {{ cite('he2016') }}.\n\n"
    "{{ table('results') }}\n\nClasses: {{ hostile|join_words }}. See {{ ref('results') }}.\n",
    "activity-08": "It costs {{ price }}.\n\n{{ figure('loss-8') }}\n\nThe end.\n",
}


def kernels() -> set[int]:
    """Process ids of the kernels that this process started."""
    return {child.pid for child in psutil.Process().children() if "ipykernel_launcher" in child.cmdline()}
