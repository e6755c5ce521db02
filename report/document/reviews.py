"""What the author of a report has accepted, kept beside the lab, and what their sections print differently since."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from cnnlab.errors import LabError, StoreError
from cnnlab.lab import Lab
from cnnlab.paths import in_checkout, labs_dir
from cnnlab.spec import Frozen
from cnnlab.store.files import replace_file
from report.document.ledger import Finding
from report.document.model import Document, Review, SectionText

FORMAT = 2


class Acceptance(Frozen):
    """One accepted section.

    Attributes:
        time: when, in ISO 8601.
        files: sha256 of each commentary file that it was made of, by its name below a folder of templates.
        paragraphs: its prose as printed, with names for the numbers of figures, tables and citations.
        items: each number of the tables and galleries beside it: `results.VGG-19.test 80.0%`.
    """

    time: str
    files: dict[str, str]
    paragraphs: tuple[str, ...]
    items: tuple[str, ...]

    @model_validator(mode="before")
    @classmethod
    def _from_format_1(cls, value: Any) -> Any:
        """There paragraphs have `#` for numbers, which stand beside them."""
        if not isinstance(value, dict) or "names" not in value:
            return value
        texts = []
        for one in value["paragraphs"]:
            numbers, skeleton = [quantity["text"] for quantity in one["quantities"]], one["skeleton"]
            whole = skeleton.count("#") == len(numbers)
            texts.append(skeleton.replace("%", "%%").replace("#", "%s") % tuple(numbers) if whole else skeleton)
        items = [f"{one['name']} {one['text']}" for one in value["items"]]
        return {"time": value["time"], "files": value["files"], "paragraphs": texts, "items": items}

    def holds_for(self, section: SectionText) -> bool:
        """Whether the section is still made of the files that were accepted."""
        now = {name: path for name, path in section.files.items() if name in self.files}
        return section.path in now.values() and all(_sha256(path) == self.files[name] for name, path in now.items())


class _File(Frozen):
    format: Literal[1, 2]
    languages: dict[str, dict[str, Acceptance]]


def read_reviews(lab: Lab) -> dict[str, dict[str, Acceptance]]:
    """What was accepted of this lab, with this profile, by language and section; nothing where there is no file.

    Raises:
        StoreError: the file is damaged, or a newer cnnlab wrote it.
    """
    try:
        content = json.loads(lab.reviews.read_bytes())
        found = content["format"]
        if not isinstance(found, int) or found <= FORMAT:
            return _File.model_validate(content).languages
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as wrong:
        first = wrong.errors(include_url=False)[0] if isinstance(wrong, ValidationError) else None
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else repr(wrong)
        hint = "restore it, or remove it and accept the sections again"
        what = "the file of accepted sections is damaged"
        raise StoreError(what, where=lab.reviews, received=problem, hint=hint) from None
    what = "the file of accepted sections was written by a newer cnnlab"
    hint = "upgrade cnnlab: pip install --upgrade cnnlab"
    raise StoreError(what, where=lab.reviews, received=f"format {found}", expected=f"format {FORMAT}", hint=hint)


def check_place(lab: Lab) -> None:
    """Refuse a lab inside an installed package, where nothing of its user's is kept.

    Raises:
        LabError: it is one.
    """
    if not in_checkout() and lab.path.parent == labs_dir():
        hint = f"copy it (cp {shlex.quote(str(lab.path))} mine.toml), run the copy, and accept there"
        raise LabError("a lab that came with cnnlab is not yours to accept", where=lab.path, hint=hint)


def accept(document: Document, lab: Lab, keys: Sequence[str], *, time: datetime) -> None:
    """Remember these sections as read and accepted, in the document's language; those accepted before are renewed.

    Raises:
        LabError: a section has no text to accept, or the lab is one that came with an installed cnnlab.
        StoreError: the file cannot be written, or the one that is there is damaged or too new.
    """
    check_place(lab)
    languages = read_reviews(lab)
    accepted = languages.setdefault(document.language.code, {})
    for section in map(document.section, keys):
        if section.path is None or section.evidence is None:
            what, expected = "the section has no text to accept", "a section whose runs are there"
            raise LabError(what, received=section.key, expected=expected, hint=next(iter(section.problems), None))
        paragraphs, items = _printed(document, section)
        files = {key: _sha256(path) for key, path in section.files.items()}
        when = time.isoformat(timespec="seconds")
        accepted[section.key] = Acceptance(time=when, files=files, paragraphs=paragraphs, items=items)
    content = _File(format=FORMAT, languages=languages).model_dump(mode="json")
    try:
        replace_file(lab.reviews, f"{json.dumps(content, ensure_ascii=False, indent=1)}\n".encode())
    except StoreError as problem:
        what, hint = "what is accepted cannot be kept beside the lab", "copy the lab file to a folder of yours"
        hint = f"make the folder writable, or {hint}"
        raise StoreError(what, where=problem.where, received=problem.received, hint=hint) from None


def review_states(document: Document, lab: Lab) -> dict[str, Review]:
    """The state of each section's text, by key, where `review` says of it what its file says."""
    accepted = read_reviews(lab).get(document.language.code, {})
    states = {one.key: one.review for one in document.sections}
    holding = [key for key in states if key in accepted and accepted[key].holds_for(document.section(key))]
    stale = [one.section for one in audit_reviews(document, lab)]
    return states | dict.fromkeys(holding, "accepted") | dict.fromkeys(stale, "stale")


def audit_reviews(document: Document, lab: Lab) -> list[Finding]:
    """A fault for each stretch of an accepted section that prints something else now, in document order."""
    accepted, found = read_reviews(lab).get(document.language.code, {}), []
    inside = lab.path.is_relative_to(Path.cwd())
    name = shlex.quote(str(lab.path.relative_to(Path.cwd()) if inside else lab.path))
    name = lab.path.stem if lab.path.parent == labs_dir() else name
    if profile := lab.stem.removeprefix(lab.path.stem)[1:]:
        name += f" --profile {shlex.quote(profile)}"
    for section in document.sections:
        then = accepted.get(section.key)
        if then is None or not then.holds_for(section):
            continue
        paragraphs, items = _printed(document, section)
        shared = {one.partition(".")[0] for one in then.items} & {one.partition(".")[0] for one in items}
        old, new = ([one for one in lines if one.partition(".")[0] in shared] for lines in (then.items, items))
        for before, now in _differing(then.paragraphs, paragraphs) or _differing(old, new):
            sides = (f"“{before}” then" if before else "", f"“{now}” now" if now else "no longer there")
            what = f"accepted on {then.time[:10]}, it reads differently now: {', '.join(filter(None, sides))}"
            mend = f"read it, edit it if need be, then: cnnlab commentary accept {section.number or section.key} {name}"
            found.append(Finding("stale", "fault", section.key, what, section.path, suggestion=mend))
    return found


def _printed(document: Document, section: SectionText) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paragraphs of a section, and what its items print.

    Names stand for the numbers of figures, tables and citations, which change with what stands before them.
    """
    names = {f"[{cited.number}]": f"[{cited.key}]" for cited in document.bibliography}
    for placed in (placed for section in document.sections for placed in section.items):
        names[placed.label] = names[placed.label[0].lower() + placed.label[1:]] = f"[{placed.anchor}]"
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    pattern = re.compile(rf"(?:{'|'.join(longest_first) or '(?!)'})(?!\d)")
    prose = {id(printed) for paragraph in section.paragraphs for printed in paragraph.printed}
    beside = [one for one in document.printed if one.section == section.key and id(one) not in prose]
    paragraphs = (pattern.sub(lambda found: names[found[0]], one.text) for one in section.paragraphs)
    return tuple(paragraphs), tuple(f"{one.name} {one.text}" for one in beside)


def _differing(then: Sequence[str], now: Sequence[str]) -> list[tuple[str, str]]:
    """What stands in the one and not in the other, side by side, from shortly before where it differs.

    Of Markdown its escapes do not count, nor where its lines end.
    """
    then, now = ([" ".join(re.sub(r"\\([^\w\s])", r"\1", one).split()) for one in side] for side in (then, now))
    found = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if tag != "equal":
            old, new = " ".join(then[i1:i2]), " ".join(now[j1:j2])
            same = next((i for i, (a, b) in enumerate(zip_longest(old, new)) if a != b), len(old))
            start = old.rfind(" ", 0, max(0, same - 20)) + 1
            old, new = (
                f"{'… ' * bool(start)}{text[start : start + 120]}{' …' * (len(text) > start + 120)}" if text else ""
                for text in (old, new)
            )
            found.append((old, new))
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
