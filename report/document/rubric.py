"""An assignment as data: its sections, the single things that it asks in each, and what counts as an answer.

`templates/rubrics/<name>.toml`, of which a lab's own `templates/rubrics/` wins. The sections of a report are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from cnnlab.errors import TemplateProblem
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.spec import Frozen, Name
from cnnlab.toml_file import FileKind
from report.activities import ANSWERERS
from report.data.records import LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence

RUBRIC = FileKind("rubric", TemplateProblem)

DATA_PARTS = ("2_1", "2_2")
"""Parts about a data set: those that a lab file names under `[report]`, as `part_2_1` and `part_2_2`."""

Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class RubricText(Frozen):
    """The same words in each language of a report."""

    en: Text
    es: Text

    def of(self, language: Language, **fields: object) -> str:
        """The words in this language, with `{fields}` filled in."""
        text = str(getattr(self, language.code))
        for name, value in fields.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text


class Ask(Frozen):
    """A single thing that the assignment asks: `any` are names of the section's evidence (quantities, texts, items) of
    which one has to be in the answer, `all` those of which each has to be."""

    id: Name
    text: RubricText
    any: tuple[Text, ...] = ()
    all: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_evidence(self) -> Ask:
        if not self.any and not self.all:
            raise ValueError("`any` or `all`: the names of the evidence that answers it")
        return self


class Section(Frozen):
    """A section of a report.

    Attributes:
        key: names its commentary file and its place in the page.
        number: of the activity, None for what is not one.
        part: a key of the rubric's parts, None outside them.
        answered_by: names of answerers, whose evidence it has.
        asks: what has to be in it.
    """

    key: Name
    number: int | None = Field(None, ge=1)
    part: str | None = None
    title: RubricText
    answered_by: Names = Field(min_length=1)
    asks: tuple[Ask, ...] = ()

    @property
    def module(self) -> str:
        """The module of the first answerer, whose layout and whose text sections share that have none of their own."""
        return self.answered_by[0].partition(".")[0]

    @property
    def needs_runs(self) -> bool:
        """Whether it cannot be answered before a network was trained on its part's data set."""
        return any(ANSWERERS[name].needs_runs for name in self.answered_by)

    def answer(self, lab: LabData, language: Language) -> Evidence:
        """What its answerers say together; of two things of the same name, the earlier answerer's."""
        names, items = dict[str, Any](), dict[str, Any]()
        for answerer in (ANSWERERS[name] for name in self.answered_by):
            found = answerer.answer(lab, language, **({"part": self.part} if answerer.of_data else {}))
            names = {**found.names, **names}
            items |= {name: item for name, item in found.items.items() if name not in items}
        return Evidence(names=names, items=items)


class PartSpec(Frozen):
    """A part. With a title its sections stand under a heading of their own, in which `{dataset}` is its data set."""

    title: RubricText | None = None


class Rubric(Frozen):
    """The whole assignment.

    Attributes:
        label: what a numbered section is called, with `{number}`: "Activity {number}".
        given: numbers and shapes that the assignment itself states, as it writes them but for thousands separators,
            and with an `x` for "times": 224, 4096, 7x7x512.
        parts: by key; those about a data set are `DATA_PARTS`.
    """

    title: RubricText
    label: RubricText
    given: tuple[Text, ...] = ()
    parts: dict[str, PartSpec] = {}
    sections: tuple[Section, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_told_apart(self) -> Rubric:
        numbers = [section.number for section in self.sections if section.number is not None]
        groups: list[tuple[str, list[Any]]] = [("key", [section.key for section in self.sections]), ("number", numbers)]
        groups += [("id", [ask.id for ask in section.asks]) for section in self.sections]
        for key, values in groups:
            if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
                raise ValueError(f"a `{key}` of its own for each; {', '.join(map(str, twice))} is there twice")
        if numbers and not all("{number}" in words for words in (self.label.en, self.label.es)):
            raise ValueError("the `label` of numbered sections has to hold {number}")
        return self

    def section(self, key: str) -> Section:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)

    def part_titles(self, data: LabData, language: Language) -> dict[str, str]:
        """Headings by part, of the parts that have one: "Parte 2.1: mini-ImageNet"."""
        titles = {key: str(part.dataset.manifest["title"]) for key, part in data.parts.items()}
        return {
            key: part.title.of(language, dataset=titles.get(key) or language.text("no data set"))
            for key, part in self.parts.items()
            if part.title
        }


def template_folders(lab: Lab) -> list[Path]:
    """Where templates are looked for: the lab's own folder, then the project's."""
    return [lab.templates, templates_dir()]


def load_rubric(lab: Lab) -> Rubric:
    """The rubric that the lab answers; raises what `read_rubric` does."""
    return read_rubric(lab.file.report.rubric, template_folders(lab))


def read_rubric(name: str, templates: Sequence[Path]) -> Rubric:
    """The rubric `name` of the first of the `templates` folders that has it.

    Raises:
        TemplateProblem: none has it, or its file is wrong.
    """
    path = next((path for folder in templates if (path := folder / f"rubrics/{name}.toml").is_file()), None)
    if path is None:
        shipped = sorted({path.stem for folder in templates for path in (folder / "rubrics").glob("*.toml")})
        where = " or ".join(str(folder / "rubrics") for folder in templates)
        raise TemplateProblem.unknown("there is no such rubric", name, shipped, where=where)
    rubric = RUBRIC.validate(Rubric, RUBRIC.parse(path), path)
    for index, section in enumerate(rubric.sections):
        where = f"{path}, sections.{index} ({section.key})"
        if section.part is not None:
            RUBRIC.require(section.part, rubric.parts, f"{where}.part", "part")
        for answerer in section.answered_by:
            RUBRIC.require(answerer, ANSWERERS, f"{where}.answered_by", "answerer")
            if ANSWERERS[answerer].of_data and section.part not in DATA_PARTS:
                what = "the rubric asks about a data set outside the parts that have one"
                expected = " or ".join(DATA_PARTS) + f", since “{answerer}” is asked of one data set"
                raise TemplateProblem(what, where=f"{where}.part", received=section.part, expected=expected)
    return rubric
