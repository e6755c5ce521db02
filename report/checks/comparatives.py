"""Sentences that say by hand that a network is better than others, with nothing that tests it or shows the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cnnlab.networks import find_network, network_names
from report.checks.source import PRINT, TAG, Expression, Sentence, Source, read_source
from report.checks.words import Words, words_of
from report.document.finding import Finding
from report.document.model import Document, SectionText
from report.evidence.quantity import Quantity

_IDLE = ("several_networks", "several_seeds", "stand_in_for", "pretrained", "part.several")
"""Conditions that guard no comparison: they say only what there is to compare."""

_FILTERS = re.compile(r"\|\s*(?:interval|plain|signed)\b")
_UNKNOWN = object()


def audit_comparatives(document: Document) -> list[Finding]:
    """A hint for each sentence that compares networks in words alone.

    A sentence is left alone where it prints a quantity or cites, where it or its paragraph makes a `claim(…)`, and where
    an `{% if %}` on the evidence decides whether it is printed.
    """
    words = words_of(document.language.code)
    if not words.better:
        return []
    return [
        finding
        for section in document.sections
        if section.path is not None and section.evidence is not None
        for finding in _of_section(document, section, read_source(section.path), _patterns(words))
    ]


@dataclass(frozen=True)
class _Patterns:
    better: re.Pattern[str]
    worse: re.Pattern[str]
    chance: re.Pattern[str]
    not_: re.Pattern[str]
    other: re.Pattern[str]


@lru_cache
def _patterns(words: Words) -> _Patterns:
    def whole(alternatives: str, unless: str = "") -> re.Pattern[str]:
        follows = rf"(?!\s(?:{unless})\b)" if unless else ""
        return re.compile(rf"\b(?:{alternatives})\b{follows}", re.IGNORECASE)

    return _Patterns(
        better=whole(words.better, words.but),
        worse=whole(words.worse, words.but),
        chance=whole(words.chance),
        not_=re.compile(rf"(?:\b(?:{words.not_})|n't)\s(?:\w+\s){{0,2}}$", re.IGNORECASE),
        other=whole(words.other),
    )


def _of_section(document: Document, section: SectionText, source: Source, patterns: _Patterns) -> Iterator[Finding]:
    claiming = {one.paragraph for one in source.sentences if one.calls("claim")}
    for sentence in source.sentences:
        if sentence.kind == "heading" or sentence.paragraph in claiming or sentence.calls("cite"):
            continue
        found = patterns.better.search(sentence.text) or patterns.worse.search(sentence.text)
        if found is None or _guarded(sentence, found.start()) or _prints_quantity(sentence, section):
            continue
        named = _networks(sentence, section)
        if named and not (len(named) == 1 and patterns.chance.search(sentence.text)):
            yield _finding(document, section, sentence, found, named, patterns)


def _guarded(sentence: Sentence, index: int) -> bool:
    """Whether a condition on the evidence decides that this place is printed."""
    return any(guard not in _IDLE for guard in sentence.source.guards(sentence.start + index))


def _prints_quantity(sentence: Sentence, section: SectionText) -> bool:
    """Whether it prints a number; what cannot be told is taken for one."""
    return any(
        _FILTERS.search(one.source) is not None
        or (value := _value(section, sentence.source, one)) is _UNKNOWN
        or (isinstance(value, Quantity | int | float) and not isinstance(value, bool))
        for one in sentence.prints
    )


def _value(section: SectionText, source: Source, expression: Expression) -> Any:
    """What an expression prints, in a loop for the first of its list; `_UNKNOWN` where that cannot be told."""
    names = expression.name.split(".")
    for _ in range(5):  # loops inside loops
        if names[0] not in source.loops:
            break
        names = [*source.loops[names[0]].split("."), "0", *names[1:]]
    value: Any = section.evidence.names if section.evidence else {}
    for name in names:
        value = _inside(value, name)
    return value


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, _UNKNOWN)
    if isinstance(value, list | tuple) and name.isdigit():
        return value[int(name)] if int(name) < len(value) else _UNKNOWN
    return getattr(value, name, _UNKNOWN)


def _networks(sentence: Sentence, section: SectionText) -> list[str]:
    """Keys of the networks that a sentence names, in order: in its words, or printed."""
    places = [
        (match.start(), key) for key, pattern in _spellings().items() for match in pattern.finditer(sentence.text)
    ]
    marks = [match.start() for match in re.finditer(PRINT, sentence.text)]
    for place, expression in zip(marks, sentence.expressions, strict=True):
        value = _value(section, sentence.source, expression) if expression.name else _UNKNOWN
        texts = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        places += [(place, key) for text in texts for key in network_names() if text == find_network(key).TITLE]
    return list(dict.fromkeys(key for _, key in sorted(places)))


@lru_cache
def _spellings() -> dict[str, re.Pattern[str]]:
    """Ways to write each network: ResNet-50, ResNet50, resnet."""
    spelt: dict[str, re.Pattern[str]] = {}
    for key in network_names():
        title = find_network(key).TITLE
        stem = re.match(r"[A-Za-z]+", title)
        number = re.sub(r"\D", "", title)
        name = stem[0] if stem else re.escape(title)
        spelt[key] = re.compile(rf"(?<![\w-]){name}(?:[-–‑\s]?{number})?(?![\w]|[-–‑]?\d)", re.IGNORECASE)
    return spelt


def _finding(
    document: Document, section: SectionText, sentence: Sentence, found: re.Match[str], named: list[str], patterns: _Patterns
) -> Finding:  # fmt: skip
    titles = ", ".join(find_network(key).TITLE for key in named)
    return Finding(
        kind="comparison", severity="hint", section=section.key, path=section.path, line=sentence.line(found.start()),
        what=f"“{' '.join(found[0].split())}” compares networks ({titles}) without a claim, a printed number or a reference",
        suggestion=_suggestion(document, section, sentence, found, named, patterns),
    )  # fmt: skip


def _suggestion(
    document: Document, section: SectionText, sentence: Sentence, found: re.Match[str], named: list[str], patterns: _Patterns
) -> str:  # fmt: skip
    text = sentence.text.replace(TAG, "")
    if patterns.other.search(text) and not re.search(r"accura|exactitud|acierto", text, re.IGNORECASE):
        return "print the numbers that are compared"
    if patterns.not_.search(sentence.text[: found.start()]):
        return "print the difference with its interval"
    sign = "<" if patterns.worse.fullmatch(found[0]) else ">"
    others = named[1:2] or [key for key in _trained(document, section) if key != named[0]]
    on, where = _measure(text), _data_set(document, section, text)
    claims = [f'{{{{ claim("{named[0]} {sign} {other}", on="{on}"{where}) }}}}' for other in others]
    return " ".join(claims) or "print the numbers that are compared"


def _trained(document: Document, section: SectionText) -> Iterable[str]:
    """The networks that the section's part has trained, else those of the first part."""
    parts = document.lab.parts
    part = parts.get(str(section.part)) or next(iter(parts.values()), None)
    return part.networks if part else ()


def _measure(text: str) -> str:
    if re.search(r"\bvalida", text, re.IGNORECASE):
        return "validation accuracy"
    if re.search(r"\btraining\s(?:accura|images|set)|\ben(?:\sel)?\sentrenamiento", text, re.IGNORECASE):
        return "train accuracy"
    return "test accuracy"


def _data_set(document: Document, section: SectionText, text: str) -> str:
    """The claim's data set, which a section outside the parts has to name."""
    parts = document.lab.parts
    if section.part in parts or not parts:
        return ""
    titles = {str(part.dataset.manifest["title"]): part.dataset.name for part in parts.values()}
    name = next((name for title, name in titles.items() if title in text), next(iter(titles.values())))
    return f', dataset="{name}"'
