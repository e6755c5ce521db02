"""A small report for tests of the engine: sections with every kind of item, and prose of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from cnnlab.errors import TemplateProblem
from cnnlab.lab import Lab, LabFile
from cnnlab.store.store import RunStore
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.model import Document, Prose
from report.document.rubric import Section
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Exhibit, Gallery, Listing, Quantity, table
from tests.fabricate import write_store
from tests.figure_samples import samples

HOSTILE = ("<script>alert(1)</script>", "*bold*", "[x](javascript:alert(1))", "{{7*7}}", "a|b `c` &amp; <b>", "​")
SUMMARY = "\n".join(["┏" + "━" * 98 + "┓", "┃ Layer (type)" + " " * 85 + "┃", "└" + "─" * 98 + "┘"])
CODE = (
    "# Definición del contenedor\nmodelVGG19 = Sequential()\n\n"
    'modelVGG19.add(Conv2D(64, (3, 3), strides=(1, 1), activation="relu", padding="same", name="block1_conv1"))\n'
    "print(modelVGG19.output_shape)\n"
)


class PlainSection(Section):
    """A section with evidence of its own making."""

    says: Callable[[LabData, Language], Evidence]

    def __init__(
        self, key: str, number: int | None, part: str | None, module: str, says: Callable[[LabData, Language], Evidence]
    ) -> None:
        title = {"en": "Contents", "es": "Contenido"}
        super().__init__(key=key, number=number, part=part, title=title, answered_by=module, says=says)

    @property
    def needs_runs(self) -> bool:
        return self.module != "dataset"

    def answer(self, lab: LabData, language: Language) -> Evidence:
        return self.says(lab, language)


@dataclass(frozen=True)
class PlainReference:
    authors: str
    title: str
    venue: str
    year: int
    url: str = ""


REFERENCES = {
    "he2016": PlainReference("K. He, X. Zhang, S. Ren, J. Sun", "Deep residual learning <for> images", "CVPR", 2016),
    "vgg": PlainReference("K. Simonyan, A. Zisserman", "Very deep", "ICLR", 2015, "https://arxiv.org/abs/1409.1556"),
    "unused": PlainReference("Nobody", "Never cited", "Nowhere", 1999),
}


def accuracy(data: LabData, value: float = 0.632, n: int = 1000) -> Quantity:
    runs = tuple(run.run.id for part in data.parts.values() for run in part.runs[:1])
    return Quantity(value=value, unit="share", n=n, low=0.591, high=0.67, runs=runs, how="Wilson interval")


def build_evidence(data: LabData, language: Language, *, charts: Sequence[str] = ()) -> Evidence:
    pixels = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    first, drawings = accuracy(data), samples(language) if charts else {}
    tiles = tuple(
        Exhibit(pixels=pixels, label=name, predicted=HOSTILE[0] if i % 2 else name, confidence=accuracy(data, 0.9))
        for i, name in enumerate(HOSTILE[:5])
    )
    rows = (
        {"name": "VGG-19", "accuracy": first, "loss": Quantity(value=1.5, unit="loss"), "notes": "single crop"},
        {"name": HOSTILE[0], "accuracy": accuracy(data, 0.71), "loss": None, "notes": HOSTILE[1]},
        {
            "name": "ResNet-50",
            "accuracy": accuracy(data, 0.71),
            "loss": Quantity(value=12.25, unit="loss"),
            "notes": "",
        },
    )
    heads = {"name": "Network", "accuracy": "Accuracy", "loss": "Loss", "notes": "Protocol"}
    best: Any = {"accuracy": "max", "loss": "min"}
    return Evidence(
        names={
            "accuracy": first, "parameters": Quantity(value=143_667_240, unit="count"), "clear": True,
            "best": {"accuracy": first, "name": HOSTILE[0]}, "classes": list(HOSTILE[:3]), "hostile": list(HOSTILE),
        },
        items={
            "results": table("VGG-19 is second", heads, rows, best=best, note="n = 1,000 test images"),
            "mistakes": Gallery(caption=f"Mistakes about {HOSTILE[0]}", alt="Five images", items=tiles, note="Test split"),
            **{name: drawings[name] for name in charts},
            "block": Listing(caption="First block", code=CODE, output=SUMMARY),
        },
    )  # fmt: skip


SECTIONS = (
    PlainSection("introduction", None, None, "introduction", lambda data, language: Evidence()),
    PlainSection("activity-01", 1, "1", "architecture", partial(build_evidence, charts=("vgg19",))),
    PlainSection("activity-07", 7, "2_1", "training", partial(build_evidence, charts=("accuracy-8",))),
)
PROSE = {
    "introduction": "{# generated: remove this line when you have reviewed the text #}\n\nLab **{{ lab.title }}**.\n",
    "activity-01": "It has {{ parameters }} parameters {{ cite('vgg') }}, see {{ ref('block') }}.\n\nThe end.\n",
    "activity-07": "Accuracy **{{ accuracy|interval }}** against {{ best.accuracy|plain(2) }} of {{ best.name }} "
    "{{ cite('he2016') }}.\n\n{{ table('results') }}\n\nClasses: {{ classes|join_words }}. See {{ ref('results') }}.\n",
}


def write_prose(folder: Path, prose: Mapping[str, str | bytes] = PROSE) -> None:
    """Write commentary files for both languages into a lab's own templates."""
    for language in ("es", "en"):
        for key, text in prose.items():
            path = folder / "commentary" / language / f"{key}.md.j2"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)


def write_lab(
    folder: Path, *, language: str = "es", prose: Mapping[str, str] = PROSE, **store: Any
) -> tuple[RunStore, Lab]:
    """A fabricated store, a lab that it answers, and the lab's own prose."""
    records = write_store(folder / "runs", language=language, **store)
    lab = lab_in(folder, language=language)
    write_prose(lab.templates, prose)
    return records, lab


class Desk:
    """A fabricated lab whose texts a test writes, one document after the other."""

    def __init__(self, folder: Path, **store: Any) -> None:
        self.store, self.lab = write_lab(folder, **store)
        self.data = open_lab(self.store, "demo")

    def document(
        self, text: str | None = None, *, key: str = "activity-07", language: str = "es", sections: Any = SECTIONS, **files: str
    ) -> Document:  # fmt: skip
        """The small report, in which the section `key` has this text; `files` stand beside it, by name without ending."""
        prose = {**PROSE, **({} if text is None else {key: text}), **files}
        write_prose(self.lab.templates, prose)
        return assemble(self.data, self.lab, Language(language), sections=sections, references=REFERENCES)

    def prose(self, text: str, *, key: str = "activity-07", language: str = "es") -> Prose:
        """The first prose of the section with this text."""
        pieces = self.document(text, key=key, language=language).section(key).pieces
        return next(piece for piece in pieces if isinstance(piece, Prose))

    def problem(self, text: str | bytes, **options: Any) -> TemplateProblem:
        """What is wrong with this text."""
        with pytest.raises(TemplateProblem) as caught:
            self.document(text, **options)
        return caught.value


def lab_in(folder: Path, *, language: str = "es") -> Lab:
    """The lab that the fabricated store answers."""
    file = LabFile.model_validate(
        {
            "lab": {"title": "A lab <1>", "authors": ["Ana & Co", "Luis"], "course": "Redes", "language": language},
            "datasets": {"clothes": {"reader": "folder"}, "digits": {"reader": "folder"}},
            "recipes": {"r": {}},
            "runs": [{"dataset": "clothes", "networks": ["alexnet"], "recipe": "r"}],
            "report": {"part_2_1": "clothes", "part_2_2": "digits"},
        }
    )
    return Lab(stem="demo", path=folder / "demo.toml", file=file)


def pretended(book: Any, *_: object, **__: object) -> None:
    """In place of `report.notebook.build.execute`, without a kernel: every cell has shown something."""
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), 1):
        cell |= {"outputs": [nbformat.v4.new_output("stream", text="shown")], "execution_count": count}
