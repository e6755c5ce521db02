"""An assignment as data: its sections, the single things that it asks in each, and what counts as an answer.

`templates/rubrics/<name>.toml`, of which a lab's own `templates/rubrics/` wins. The sections of a report are made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from cnnlab.errors import TemplateProblem, did_you_mean
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.spec import Frozen, Name
from cnnlab.toml_file import FileKind
from report.activities import ANSWERERS, Answerer
from report.data.records import LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence

RUBRIC = FileKind("rubric", TemplateProblem)

DATA_PARTS = ("2_1", "2_2")
"""Parts about a data set: those that a lab file names under `[report]`, as `part_2_1` and `part_2_2`."""

Text = Annotated[str, Field(min_length=1)]


class Words(Frozen):
    """The same words in each language of a report."""

    en: Text
    es: Text

    def of(self, language: Language) -> str:
        """The words in this language."""
        return str(getattr(self, language.code))


class Ask(Frozen):
    """A single thing that the assignment asks.

    Attributes:
        any: names of the section's evidence (quantities, texts, items), of which one has to be in the answer.
        all: names of which each has to be.
    """

    id: Name
    text: Words
    any: tuple[Text, ...] = ()
    all: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_evidence(self) -> Ask:
        if not self.any and not self.all:
            raise ValueError("`any` or `all`: the names of the evidence that answers it")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SectionSpec(Frozen):
    """A section as the rubric has it. `answered_by` names answerers; the first one's module lays the section out."""

    key: Name
    number: int | None = Field(None, ge=1)
    part: str | None = None
    title: Words
    answered_by: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = Field(min_length=1)
    asks: tuple[Ask, ...] = ()

    @property
    def kind(self) -> str:
        """The module of the first answerer, whose layout and whose text sections share that have none of their own."""
        return self.answered_by[0].partition(".")[0]

    @model_validator(mode="after")
    def _asks_are_told_apart(self) -> SectionSpec:
        _unique("id", [ask.id for ask in self.asks])
        return self


class PartSpec(Frozen):
    """A part. With a title its sections stand under a heading of their own, in which `{dataset}` is its data set."""

    title: Words | None = None


class Rubric(Frozen):
    """The whole assignment.

    Attributes:
        label: what a numbered section is called, with `{number}`: "Activity {number}".
        given: numbers and shapes that the assignment itself states, as it writes them but for thousands separators,
            and with an `x` for "times": 224, 4096, 7x7x512.
        parts: by key; those about a data set are `DATA_PARTS`.
    """

    title: Words
    label: Words
    given: tuple[Text, ...] = ()
    parts: dict[str, PartSpec] = {}
    sections: tuple[SectionSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sections_are_told_apart(self) -> Rubric:
        _unique("key", [section.key for section in self.sections])
        numbers = [section.number for section in self.sections if section.number is not None]
        _unique("number", numbers)
        if numbers and not all("{number}" in words for words in (self.label.en, self.label.es)):
            raise ValueError("the `label` of numbered sections has to hold {number}")
        return self

    def section(self, key: str) -> SectionSpec:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)

    @property
    def asks(self) -> list[tuple[SectionSpec, Ask]]:
        """Every single thing asked, in order, with its section."""
        return [(section, ask) for section in self.sections for ask in section.asks]

    def report_sections(self) -> tuple[Section, ...]:
        """The sections of the report."""
        return tuple(
            Section(
                key=spec.key,
                number=spec.number,
                part=spec.part,
                label=self.label,
                title=spec.title,
                module=spec.kind,
                answer=_answer([ANSWERERS[name] for name in spec.answered_by], spec.part),
                needs_runs=any(ANSWERERS[name].needs_runs for name in spec.answered_by),
            )
            for spec in self.sections
        )

    def part_titles(self, data: LabData, language: Language) -> dict[str, str]:
        """Headings by part, of the parts that have one: "Parte 2.1: mini-ImageNet"."""
        return {
            key: part.title.of(language).replace("{dataset}", _dataset(key, data, language))
            for key, part in self.parts.items()
            if part.title
        }


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        key: names its commentary file and its place in the page.
        number: of the activity, None for what is not one.
        part: a key of the rubric's parts, None outside them.
        label: what a numbered section is called, with `{number}`.
        module: names its layout template.
        answer: gathers its evidence.
        needs_runs: whether it cannot be answered before a network was trained on its part's data set.
    """

    key: str
    number: int | None
    part: str | None
    label: Words
    title: Words
    module: str
    answer: Callable[[LabData, Language], Evidence]
    needs_runs: bool

    def title_in(self, language: Language) -> str:
        """Its title."""
        return self.title.of(language)

    def label_in(self, language: Language) -> str:
        """What stands before its title: "Actividad 7"; empty where it has no number."""
        return "" if self.number is None else self.label.of(language).replace("{number}", str(self.number))


def load_rubric(lab: Lab) -> Rubric:
    """The rubric that the lab answers.

    Raises:
        TemplateProblem: there is no such rubric, or its file is wrong.
    """
    return read_rubric(lab.file.report.rubric, [lab.templates, templates_dir()])


def read_rubric(name: str, templates: Sequence[Path]) -> Rubric:
    """The rubric `name` of the first of the `templates` folders that has it.

    Raises:
        TemplateProblem: none has it, or its file is wrong.
    """
    for folder in templates:
        if (path := folder / "rubrics" / f"{name}.toml").is_file():
            rubric = RUBRIC.validate(Rubric, RUBRIC.parse(path), path)
            _check_references(rubric, path)
            return rubric
    shipped = sorted(path.stem for folder in templates for path in (folder / "rubrics").glob("*.toml"))
    raise TemplateProblem(
        "there is no such rubric",
        where=" or ".join(str(folder / "rubrics") for folder in templates),
        received=name,
        expected=", ".join(dict.fromkeys(shipped)),
        hint=did_you_mean(name, shipped),
    )


def _check_references(rubric: Rubric, path: Path) -> None:
    """Parts and answerers named in a section must exist, and an answerer about a data set needs a part with one."""
    for index, section in enumerate(rubric.sections):
        where = f"{path}, sections.{index} ({section.key})"
        if section.part is not None:
            RUBRIC.require(section.part, rubric.parts, f"{where}.part", "part")
        for name in section.answered_by:
            RUBRIC.require(name, ANSWERERS, f"{where}.answered_by", "answerer")
            if ANSWERERS[name].of_data and section.part not in DATA_PARTS:
                raise TemplateProblem(
                    "the rubric asks about a data set outside the parts that have one",
                    where=f"{where}.part",
                    received=section.part,
                    expected=" or ".join(DATA_PARTS) + f", since “{name}” is asked of one data set",
                )


def _unique(key: str, values: Sequence[Any]) -> None:
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"a `{key}` of its own for each; {', '.join(map(str, twice))} is there twice")


def _answer(answerers: Sequence[Answerer], part: str | None) -> Callable[[LabData, Language], Evidence]:
    """What the answerers say together; of two things of the same name, the earlier answerer's."""
    asked = [partial(one.answer, part=part) if one.of_data else one.answer for one in answerers]
    if len(asked) == 1:
        return asked[0]

    def answer(lab: LabData, language: Language) -> Evidence:
        found = [one(lab, language) for one in asked]
        names: dict[str, Any] = {}
        items: dict[str, Any] = {}
        for evidence in found:
            names = {**evidence.names, **names}
            items |= {name: item for name, item in evidence.items.items() if name not in items}
        return Evidence(names=names, items=items)

    return answer


def _dataset(part: str, data: LabData, language: Language) -> str:
    found: Mapping[str, Any] = data.parts
    return str(found[part].dataset.manifest["title"]) if part in found else language.text("no data set")
