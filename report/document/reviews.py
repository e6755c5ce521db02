"""What the author of a report has accepted: which commentary files, and the text that they gave, kept beside the lab."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from cnnlab.errors import LabError, StoreError
from cnnlab.lab import Lab
from cnnlab.paths import in_checkout, labs_dir
from cnnlab.spec import Frozen
from cnnlab.store.files import replace_file
from report.document.model import Document, SectionText
from report.document.tokens import Printed
from report.document.vocabulary import named_quantities
from report.evidence.language import Language
from report.evidence.quantity import Quantity, Unit

FORMAT = 1


class Remembered(Frozen):
    """A quantity as it was when its section was accepted; `value` is None where it was no number."""

    name: str
    value: float | None
    unit: Unit
    text: str
    low: float | None = None
    high: float | None = None

    @property
    def quantity(self) -> Quantity:
        """The quantity, to be worded again."""
        return Quantity(
            value=math.nan if self.value is None else self.value, unit=self.unit, low=self.low, high=self.high
        )


class ReadParagraph(Frozen):
    """A paragraph as it was accepted: as printed, without its numbers and references, and its quantities in order."""

    text: str
    skeleton: str
    quantities: tuple[Remembered, ...]


class Acceptance(Frozen):
    """One accepted section.

    Attributes:
        time: when, in ISO 8601.
        files: sha256 of each commentary file that it was made of, by its name below a folder of templates.
        paragraphs: its prose.
        items: what the tables and galleries beside the prose printed.
        names: every other quantity that the prose could have printed.
    """

    time: str
    files: dict[str, str]
    paragraphs: tuple[ReadParagraph, ...]
    items: tuple[Remembered, ...]
    names: tuple[Remembered, ...]

    def holds_for(self, section: SectionText) -> bool:
        """Whether the section is still made of the files that were accepted."""
        now = {name: path for name, path in section.files.items() if name in self.files}
        return section.path in now.values() and all(_sha256(path) == self.files[name] for name, path in now.items())

    @property
    def remembered(self) -> dict[str, Remembered]:
        """Every quantity that there was, by name."""
        printed = [quantity for paragraph in self.paragraphs for quantity in paragraph.quantities]
        return {one.name: one for one in (*self.names, *self.items, *printed) if one.name and one.value is not None}


class _File(Frozen):
    format: Literal[1]
    languages: dict[str, dict[str, Acceptance]]


@dataclass(frozen=True)
class Reviews:
    """What was accepted of a lab, by language and section key. `path` need not exist yet; `lab` is how to name the lab."""

    path: Path
    lab: str
    languages: Mapping[str, Mapping[str, Acceptance]]

    def of(self, language: Language) -> Mapping[str, Acceptance]:
        """The accepted sections in this language, by key."""
        return self.languages.get(language.code, {})

    def command(self, section: SectionText) -> str:
        """What accepts the section as it is now."""
        return f"cnnlab commentary accept {section.number or section.key} {self.lab}"


def read_reviews(lab: Lab) -> Reviews:
    """What was accepted of this lab, with this profile; nothing where there is no file.

    Raises:
        StoreError: the file is damaged, or a newer cnnlab wrote it.
    """
    path = reviews_path(lab)
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Reviews(path, _call(lab), {})
    except (OSError, ValueError, RecursionError) as problem:
        raise _damaged(path, problem) from None
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise StoreError(
            "the file of accepted sections was written by a newer cnnlab",
            where=path,
            received=f"format {found}",
            expected=f"format {FORMAT}",
            hint="upgrade cnnlab: pip install --upgrade cnnlab",
        )
    try:
        return Reviews(path, _call(lab), _File.model_validate(content).languages)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise _damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def accept(document: Document, lab: Lab, keys: Sequence[str], *, time: datetime) -> Reviews:
    """Remember these sections as read and accepted, in the document's language; those accepted before are renewed.

    Raises:
        LabError: a section has no text to accept, or the lab is one that came with an installed cnnlab.
        StoreError: the file cannot be written, or the one that is there is damaged or too new.
    """
    check_place(lab)
    before, name = read_reviews(lab), references(document)
    now = {key: _accepted(document, document.section(key), name, time) for key in keys}
    code = document.language.code
    languages = {**before.languages, code: {**before.of(document.language), **now}}
    content = _File(format=FORMAT, languages={key: dict(value) for key, value in languages.items()})
    _write(before.path, content.model_dump(mode="json"))
    return Reviews(before.path, before.lab, languages)


def reviews_path(lab: Lab) -> Path:
    """Where the lab's accepted sections are kept, one file a profile."""
    return lab.reviews


def check_place(lab: Lab) -> None:
    """Refuse a lab inside an installed package, where nothing of its user's is kept.

    Raises:
        LabError: it is one.
    """
    if not in_checkout() and lab.path.parent == labs_dir():
        raise LabError(
            "a lab that came with cnnlab is not yours to accept",
            where=lab.path,
            hint=f"copy it (cp {shlex.quote(str(lab.path))} mine.toml), run the copy, and accept there",
        )


def references(document: Document) -> Callable[[str], str]:
    """Puts names for the numbers of figures, tables and citations, which change with what stands before them."""
    names: dict[str, str] = {f"[{cited.number}]": f"[{cited.key}]" for cited in document.bibliography}
    for placed in (placed for section in document.sections for placed in section.items):
        names[placed.label] = names[placed.label[0].lower() + placed.label[1:]] = f"[{placed.anchor}]"
    if not names:
        return lambda text: text
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    pattern = re.compile(rf"(?:{'|'.join(longest_first)})(?!\d)")
    return lambda text: pattern.sub(lambda match: names[match[0]], text)


def items_printed(document: Document, section: SectionText) -> list[Printed]:
    """What the section's tables and galleries print, without what its prose does."""
    prose = {id(printed) for paragraph in section.paragraphs for printed in paragraph.printed}
    return [one for one in document.printed if one.section == section.key and id(one) not in prose]


def _accepted(document: Document, section: SectionText, name: Callable[[str], str], time: datetime) -> Acceptance:
    if section.path is None or section.evidence is None:
        raise LabError(
            "the section has no text to accept",
            received=section.key,
            expected="a section whose runs are there",
            hint=section.problems[0] if section.problems else None,
        )
    named = named_quantities(section.evidence.names)
    texts = (Printed(section.key, key, value, document.language.quantity(value)) for key, value in named)
    return Acceptance(
        time=time.isoformat(timespec="seconds"),
        files={key: _sha256(path) for key, path in section.files.items()},
        paragraphs=tuple(
            ReadParagraph(text=one.text, skeleton=name(one.skeleton), quantities=_remembered(one.printed))
            for one in section.paragraphs
        ),
        items=_remembered(items_printed(document, section)),
        names=_remembered(texts),
    )


def _remembered(printed: Iterable[Printed]) -> tuple[Remembered, ...]:
    return tuple(
        Remembered(
            name=one.name,
            value=_finite(one.quantity.value),
            unit=one.quantity.unit,
            text=one.text,
            low=_finite(one.quantity.low),
            high=_finite(one.quantity.high),
        )
        for one in printed
    )


def _finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    try:
        replace_file(path, (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())
    except StoreError as problem:
        raise StoreError(
            "what is accepted cannot be kept beside the lab",
            where=problem.where,
            received=problem.received,
            hint="make the folder writable, or copy the lab file to a folder of yours",
        ) from None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _call(lab: Lab) -> str:
    """The lab as its user names it in a command."""
    shipped = lab.path.parent == labs_dir()
    folder = Path.cwd()
    path = lab.path.relative_to(folder) if lab.path.is_relative_to(folder) else lab.path
    profile = lab.stem.removeprefix(lab.path.stem)[1:]
    name = lab.path.stem if shipped else shlex.quote(str(path))
    return f"{name} --profile {shlex.quote(profile)}" if profile else name


def _damaged(path: Path, problem: object) -> StoreError:
    return StoreError(
        "the file of accepted sections is damaged",
        where=path,
        received=problem,
        hint="restore it, or remove it and accept the sections again",
    )
