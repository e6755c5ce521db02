"""What has changed under accepted text: which paragraphs to read again, and which numbers moved from what to what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Literal, TypeVar

from report.document.ledger import Finding
from report.document.model import Document, Paragraph, Review, SectionText
from report.document.reviews import Acceptance, ReadParagraph, Remembered, Reviews, items_printed, references
from report.document.tokens import Printed
from report.evidence.language import Language

Named = TypeVar("Named", Remembered, Printed)

ALIKE = 0.5
"""Paragraphs at least this alike (in difflib's measure) are one that reads differently; else one went and one came."""

NOTHING = "–"
"""Stands for what was not printed then, or is not now."""

WORDS = 9
"""Words that are shown of a paragraph."""

_ESCAPED = re.compile(r"\\([^\w\s])")
_DIGITS = re.compile(r"[(−]*\d[\d.,()–−%]*")


@dataclass(frozen=True)
class Moved:
    """A quantity that is printed differently now: its name, and both texts, with intervals where only those moved."""

    name: str
    then: str
    now: str


@dataclass(frozen=True)
class Reread:
    """A paragraph to read again.

    Attributes:
        kind: "moved": it says the same with other numbers; "rewritten": it says something else; "new"; "gone".
        then, now: its first words, from where they differ; empty for a new one and for one that is gone.
        moved: its numbers that moved.
        path, line: the file and the line that it is written in, where that can be told.
    """

    kind: Literal["moved", "rewritten", "new", "gone"]
    then: str
    now: str
    moved: tuple[Moved, ...]
    path: Path | None
    line: int | None


@dataclass(frozen=True)
class Staleness:
    """An accepted section that no longer prints what its author read.

    Attributes:
        section: its key.
        accepted: when it was, in ISO 8601.
        paragraphs: those to read again, in order.
        items: what its tables and galleries print differently.
    """

    section: str
    accepted: str
    paragraphs: tuple[Reread, ...]
    items: tuple[Moved, ...]


def staleness(document: Document, reviews: Reviews) -> list[Staleness]:
    """What changed in each accepted section whose files are as they were, in document order; unchanged ones left out."""
    accepted = reviews.of(document.language)
    if not accepted:
        return []
    compare = _Comparison(document)
    current = (section for section in document.sections if section.key in accepted)
    found = (compare.section(one, accepted[one.key]) for one in current if accepted[one.key].holds_for(one))
    return [one for one in found if one.paragraphs or one.items]


def stale_sections(document: Document, reviews: Reviews) -> set[str]:
    """Keys of the accepted sections that no longer print what their author read."""
    return {one.section for one in staleness(document, reviews)}


def former(document: Document, reviews: Reviews) -> dict[str, tuple[Remembered, ...]]:
    """By section key, every quantity as it was when the section was accepted, each with `name`, `value` and `unit`.

    Sections whose files were edited since are in it as well: their numbers are what the author last read.
    """
    return {key: tuple(acceptance.remembered.values()) for key, acceptance in reviews.of(document.language).items()}


def review_states(document: Document, reviews: Reviews) -> dict[str, Review]:
    """The state of each section's text, by key."""
    accepted, stale = reviews.of(document.language), stale_sections(document, reviews)
    states: dict[str, Review] = {}
    for section in document.sections:
        if section.key in stale:
            states[section.key] = "stale"
        elif section.key in accepted and accepted[section.key].holds_for(section):
            states[section.key] = "accepted"
        else:
            states[section.key] = "generated" if section.marked else "written"
    return states


def audit_staleness(document: Document, reviews: Reviews) -> list[Finding]:
    """A fault for every paragraph to read again, with the command that accepts the section as it is now."""
    return [finding for one in staleness(document, reviews) for finding in _findings(one, document, reviews)]


def _findings(stale: Staleness, document: Document, reviews: Reviews) -> Iterator[Finding]:
    section = document.section(stale.section)
    suggestion = f"read it, edit it if need be, then: {reviews.command(section)}"
    for paragraph in stale.paragraphs:
        yield Finding(
            kind="stale",
            severity="fault",
            section=section.key,
            what=f"accepted on {stale.accepted[:10]}, {_sentence(paragraph)}",
            path=paragraph.path or section.path,
            line=paragraph.line,
            suggestion=suggestion,
        )
    if stale.items and not stale.paragraphs:
        what = f"accepted on {stale.accepted[:10]}, beside tables that print other numbers now: {_listed(stale.items)}"
        yield Finding(
            kind="stale", severity="fault", section=section.key, what=what, path=section.path, suggestion=suggestion
        )


def _sentence(paragraph: Reread) -> str:
    moved = _listed(paragraph.moved)
    match paragraph.kind:
        case "moved":
            return f"“{paragraph.now}” prints other numbers now: {moved}"
        case "rewritten":
            return f"it reads differently now: “{paragraph.then}” then, “{paragraph.now}” now" + (
                f" ({moved})" if moved else ""
            )
        case "new":
            return f"there is a paragraph now that there was not: “{paragraph.now}”"
        case "gone":
            return f"a paragraph is gone: “{paragraph.then}”"


def _listed(moved: Sequence[Moved], most: int = 6) -> str:
    more = f" and {len(moved) - most} more" if len(moved) > most else ""
    return "; ".join(f"{one.name or 'a number'} from {one.then} to {one.now}" for one in moved[:most]) + more


class _Comparison:
    """Compares the sections of one document with what was accepted of them."""

    def __init__(self, document: Document) -> None:
        self._document, self._language = document, document.language
        self._name = references(document)

    def section(self, section: SectionText, accepted: Acceptance) -> Staleness:
        now = items_printed(self._document, section)
        return Staleness(
            section=section.key,
            accepted=accepted.time,
            paragraphs=tuple(self._paragraphs(section, accepted.paragraphs)),
            items=tuple(_items_moved(accepted.items, now, self._language)),
        )

    def _paragraphs(self, section: SectionText, then: Sequence[ReadParagraph]) -> Iterator[Reread]:
        now = section.paragraphs
        for old, new in _aligned([one.skeleton for one in then], [self._name(one.skeleton) for one in now]):
            if old is None:
                yield self._reread("new", section, None, now[new or 0], ())
            elif new is None:
                yield self._reread("gone", section, then[old], None, ())
            elif then[old].skeleton == self._name(now[new].skeleton):
                if moved := _all_moved(then[old].quantities, now[new].printed, self._language):
                    yield self._reread("moved", section, None, now[new], moved)
            else:
                moved = _moved_by_name(then[old].quantities, now[new].printed, self._language)
                yield self._reread("rewritten", section, then[old], now[new], moved)

    def _reread(
        self,
        kind: Literal["moved", "rewritten", "new", "gone"],
        section: SectionText,
        then: ReadParagraph | None,
        now: Paragraph | None,
        moved: tuple[Moved, ...],
    ) -> Reread:
        words = _differing(then.text if then else "", now.text if now else "")
        names = [one.name for one in now.printed] if now else []
        names += [one.name for one in then.quantities] if then else []
        shown = now or then
        path, line = self._place(section, shown.skeleton if shown else "", names)
        return Reread(kind, *words, moved=moved, path=path, line=line)

    def _place(self, section: SectionText, skeleton: str, names: Sequence[str]) -> tuple[Path | None, int | None]:
        """The file and the line that have most in common with the paragraph: runs of words, and names of quantities."""
        place: tuple[Path | None, int | None] = section.path, None
        wanted, most = _runs(skeleton), 0
        for path in section.files.values():
            for number, (line, runs) in enumerate(_lines(path.read_text(encoding="utf-8")), 1):
                common = len(wanted & runs) + sum(name in line for name in names)
                if common > most:
                    most, place = common, (path, number)
        return place


def _by_name(quantities: Iterable[Named]) -> dict[str, list[Named]]:
    """In order of printing; several have one name where rows of a table have the same head."""
    found: dict[str, list[Named]] = {}
    for one in quantities:
        found.setdefault(one.name, []).append(one)
    return found


def _aligned(then: list[str], now: list[str]) -> Iterator[tuple[int | None, int | None]]:
    """Pairs of indices of the same paragraph then and now; None where it has no counterpart."""
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(range(i1, i2), range(j1, j2), strict=True)
        else:
            yield from _alike(then, now, range(i1, i2), range(j1, j2))


def _alike(then: list[str], now: list[str], old: range, new: range) -> Iterator[tuple[int | None, int | None]]:
    """Pairs of a stretch that differs: each new paragraph with the most alike of the old ones that are left."""
    left, pairs = list(old), list[tuple[int | None, int | None]]()
    for j in new:
        best = max(left, key=lambda i: _likeness(then[i], now[j]), default=None)
        if best is not None and (_likeness(then[best], now[j]) >= ALIKE or len(old) == len(new) == 1):
            left.remove(best)
            pairs.append((best, j))
        else:
            pairs.append((None, j))
    for i in left:  # each before the first that stood after it
        pairs.insert(next((at for at, (old_one, _) in enumerate(pairs) if (old_one or -1) > i), len(pairs)), (i, None))
    yield from pairs


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; paragraphs with the same beginning are alike whatever follows."""
    first, second = one.split(), other.split()
    same_start = first[:3] == second[:3]
    return max(ALIKE * same_start, SequenceMatcher(None, first, second, autojunk=False).ratio())


def _all_moved(then: Sequence[Remembered], now: Sequence[Printed], language: Language) -> tuple[Moved, ...]:
    """The quantities of two paragraphs with the same words, which therefore print as many, in the same order."""
    pairs = (_moved(old, new, language) for old, new in zip(then, now, strict=False))
    return tuple(dict.fromkeys(pair for pair in pairs if pair))


def _moved_by_name(then: Sequence[Remembered], now: Sequence[Printed], language: Language) -> tuple[Moved, ...]:
    by_name = {printed.name: printed for printed in now if printed.name}
    pairs = (_moved(old, by_name[old.name], language) for old in then if old.name in by_name)
    return tuple(dict.fromkeys(pair for pair in pairs if pair))


def _items_moved(then: Sequence[Remembered], now: Sequence[Printed], language: Language) -> Iterator[Moved]:
    """What tables and galleries that are there then and now print differently, rows that came or went included."""
    old, new = _by_name(then), _by_name(now)
    items = {name.partition(".")[0] for name in old} & {name.partition(".")[0] for name in new}
    for name in dict.fromkeys([*old, *new]):
        if name.partition(".")[0] in items:
            for before, after in zip_longest(old.get(name, []), new.get(name, [])):
                if before is None or after is None:
                    yield Moved(name, before.text if before else NOTHING, after.text if after else NOTHING)
                elif moved := _moved(before, after, language):
                    yield moved


def _moved(then: Remembered, now: Printed, language: Language) -> Moved | None:
    """What is printed differently; None where the rounded text and the rounded interval are what they were."""
    intervals = language.interval(then.quantity), language.interval(now.quantity)
    if then.text != now.text:
        return Moved(now.name, then.text, now.text)
    if intervals[0] != intervals[1]:
        return Moved(now.name, *(f"{now.text} {interval}".rstrip() for interval in intervals))
    return None


def _differing(then: str, now: str) -> tuple[str, str]:
    """The first words of both texts, from shortly before where they differ, numbers aside, if they begin the same."""
    old, new = (_ESCAPED.sub(r"\1", text).split() for text in (then, now))
    bare = [[_DIGITS.sub("#", word) for word in words] for words in (old, new)]
    same = next((i for i, (a, b) in enumerate(zip(*bare, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, same - 2) if old and new and same > WORDS // 2 else 0
    return _words(old, start), _words(new, start)


def _words(words: Sequence[str], start: int) -> str:
    shown = " ".join(words[start : start + WORDS])
    before, after = "… " if start and shown else "", " …" if len(words) > start + WORDS else ""
    return f"{before}{shown}{after}"


@lru_cache(maxsize=32)
def _lines(text: str) -> list[tuple[frozenset[str], frozenset[tuple[str, ...]]]]:
    """For each line of a template: the dotted names in it, and its runs of words."""
    return [(frozenset(re.findall(r"[\w.]+", line)), _runs(line)) for line in text.split("\n")]


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    """Every two and every three words that follow each other."""
    words = re.findall(r"\w+", text)
    return frozenset([*pairwise(words), *zip(words, words[1:], words[2:], strict=False)])
