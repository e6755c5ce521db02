"""The numbers that stand in a report's files, compared with the entries of its `report.json`."""

from __future__ import annotations

import html
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from report.checks.mismatch import Mismatch
from report.document.model import Document
from report.document.tokens import known_of
from report.evidence.language import Language
from report.evidence.quantity import Quantity

NOT_MARKED = ("alt",)
"""Places whose numbers stand in attributes of the page, which nothing can mark."""

_PLACE = re.compile(r'<section\b[^>]*?\bid="([^"]*)"|<data class="q"([^>]*)>(.*?)</data>', re.DOTALL)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_HASH = re.compile(rb"cnnlab evidence ([0-9a-f]{12})")

Shown = Mapping[str, str]
"""A number as a page shows it: `text`, `value`, and what its card says."""


def html_mismatches(path: Path, saved: Mapping[str, Any], language: Language) -> Iterator[Mismatch]:
    """The marked numbers of a page, section by section, and its evidence hash; nothing where there is no page."""
    if (content := _read(path)) is None:
        return
    page = content.decode("utf-8", "replace")
    yield from _hash_mismatch("page", path.name, re.search(r'name="evidence" content="([^"]*)"', page), saved)
    found = _marked(page)
    expected: dict[str, list[tuple[str, Shown]]] = defaultdict(list)
    for entry in saved["quantities"]:
        if entry.get("place") not in NOT_MARKED and (shown := _expected(entry, language)):
            expected[str(entry["section"])].append((str(entry["name"]), shown))
    for section in dict.fromkeys([*expected, *found]):
        yield from _differences(section, expected.get(section, []), found.get(section, []))


def _marked(page: str) -> dict[str, list[Shown]]:
    """Every `<data class="q">` of a page by the section around it."""
    found: dict[str, list[Shown]] = defaultdict(list)
    section = ""
    for match in _PLACE.finditer(page):
        if match[1] is not None:
            section = html.unescape(match[1])
        else:
            attributes = {key.removeprefix("data-"): html.unescape(text) for key, text in _ATTRIBUTE.findall(match[2])}
            shown = {key: attributes.get(key, "") for key in ("value", "n", "ci", "how", "runs")}
            found[section].append({"text": html.unescape(match[3]), **shown})
    return found


def _expected(entry: Mapping[str, Any], language: Language) -> Shown | None:
    """How a page shows an entry; None where the entry itself is broken, which is told elsewhere."""
    try:
        q = Quantity(
            value=float(entry["value"]), unit=entry["unit"], n=entry["n"], low=entry["low"], high=entry["high"],
            runs=tuple(entry["runs"]), how=entry["how"],
        )  # fmt: skip
        return {"text": str(entry["text"]), "value": repr(q.value), **known_of(q, language)}
    except (KeyError, TypeError, ValueError):
        return None


def _differences(section: str, expected: Sequence[tuple[str, Shown]], found: Sequence[Shown]) -> Iterator[Mismatch]:
    """What is in one and not in the other, put side by side in order."""
    there = Counter(_key(shown) for shown in found)
    missing = [(name, shown) for name, shown in expected if not _taken(there, shown)]
    known = Counter(_key(shown) for _, shown in expected)
    surplus = [shown for shown in found if not _taken(known, shown)]
    for wanted, other in zip_longest(missing, surplus):
        name, shown = wanted or ("", {})
        what = "a number of the page is not that of report.json" if wanted and other else (
            "the page lacks a number of report.json" if wanted else "the page shows a number that report.json lacks"
        )  # fmt: skip
        keys = [key for key in (shown or other) if not (shown and other) or shown.get(key) != other.get(key)]
        keys = keys if shown and other else ["text"]
        yield Mismatch(
            kind="page", where=section, name=name, what=what, found=_told(other, keys), expected=_told(shown, keys)
        )


def _taken(left: Counter[tuple[str, ...]], shown: Shown) -> bool:
    """Take one of this kind away; False where none is left."""
    key = _key(shown)
    left[key] -= 1
    return left[key] >= 0


def _key(shown: Shown) -> tuple[str, ...]:
    """`4` and `4.0` are one value."""
    value = shown["value"]
    return (shown["text"], value.removesuffix(".0"), *(shown[key] for key in ("n", "ci", "how", "runs")))


def _told(shown: Shown | None, keys: Sequence[str]) -> str:
    return ", ".join(shown[key] if key == "text" else f"{key} {shown[key]}" for key in keys) if shown else ""


def pdf_mismatches(path: Path, saved: Mapping[str, Any]) -> Iterator[Mismatch]:
    """The evidence hash in the metadata of a PDF; nothing where there is no PDF."""
    if (content := _read(path)) is not None:
        yield from _hash_mismatch("pdf", path.name, pdf_hash(content), saved)


def pdf_hash(content: bytes) -> re.Match[Any] | None:
    """The match whose first group is the evidence hash of a PDF, looked for also in what is compressed."""
    if match := _HASH.search(content):
        return match
    for stream in _STREAM.finditer(content):
        try:
            match = _HASH.search(zlib.decompress(stream[1]))
        except zlib.error:
            continue
        if match:
            return match
    return None


def notebook_mismatches(path: Path, saved: Mapping[str, Any], document: Document | None) -> Iterator[Mismatch]:
    """The recorded texts of each section, looked for in its cells and their outputs; nothing where there is none."""
    if (content := _read(path)) is None:
        return
    try:
        notebook = json.loads(content)
        stamp = str(notebook["metadata"]["cnnlab"]["numbers"])
        texts = _by_section(notebook["cells"], document) if document else {}
    except (ValueError, KeyError, TypeError):
        yield Mismatch(kind="notebook", where=path.name, what="it is not a notebook as cnnlab writes it")
        return
    yield from _hash_mismatch("notebook", path.name, re.search(r"(.*)", stamp), saved)
    wanted = Counter((str(entry.get("section")), str(entry.get("text"))) for entry in saved["quantities"])
    for (section, text), times in wanted.items():
        there = _times(text, texts.get(section, "")) if section in texts else times
        if there < times:
            yield Mismatch(
                kind="notebook", where=section, what="the notebook shows this number less often than report.json has it",
                found=f"{there} of {times} times", expected=text,
            )  # fmt: skip


def _by_section(cells: Sequence[Mapping[str, Any]], document: Document) -> dict[str, str]:
    """All that the cells of each section say, by its key; the appendix is a section too."""
    heads = {section.heading: section.key for section in document.sections}
    heads[document.language.text("Appendix: runs and data")] = "appendix"
    said: dict[str, list[str]] = defaultdict(list)
    section = ""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            title = _plain(source.split("\n", 1)[0]).lstrip("# ")
            section = heads.get(title, section) if source.startswith("#") else section
            said[section].append(_plain(source))
        else:
            said[section] += map(_output, cell["outputs"])
    return {key: "\n".join(texts) for key, texts in said.items()}


def _output(output: Mapping[str, Any]) -> str:
    """What an output says, once: a table's HTML holds the same numbers as its text."""
    data = output.get("data", {})
    text = "".join(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
    return html.unescape(re.sub(r"<[^>]*>", "\n", text)) if "text/html" in data else text


def _plain(markdown: str) -> str:
    """Markdown without the signs that keep it literal, and without bold."""
    return re.sub(r"\\([^\w\s])", r"\1", markdown).replace("**", "")


def _times(text: str, said: str) -> int:
    """How often a number stands in a text by itself, not inside a longer one."""
    return len(re.findall(rf"(?<![\d.,]){re.escape(text)}(?![\d]|[.,]\d)", said))


def _hash_mismatch(kind: Any, where: str, match: re.Match[Any] | None, saved: Mapping[str, Any]) -> Iterator[Mismatch]:
    found = match[1] if match else b""
    found = found.decode() if isinstance(found, bytes) else found
    if found != saved["evidence"]:
        yield Mismatch(
            kind=kind, where=where, name="evidence", what="it was not made together with report.json",
            found=found or "no evidence hash", expected=str(saved["evidence"]),
        )  # fmt: skip


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
