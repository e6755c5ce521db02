"""Numbers and comparisons that an author typed by hand, held against what the section's evidence can print."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping

from cnnlab.networks import find_network, network_names
from report.document.ledger import Finding
from report.document.model import Document, SectionText
from report.document.vocabulary import named_values
from report.evidence.quantity import Quantity

_NOT_THE_AUTHORS = re.compile(
    r"\{#.*?#\}|\{%-?\s*macro\b.*?endmacro\s*-?%\}|\{%-?\s*raw\b.*?endraw\s*-?%\}|\{%.*?%\}|\{\{.*?\}\}"  # the engine's
    r"|^ {0,3}(?P<fence>```|~~~).*?(?:^ {0,3}(?P=fence)|\Z)|`[^`\n]+`|^(?: {4}|\t).*?$"  # code
    r"|\]\([^)\n]*\)|<?https?://[^>\s)]+|\b(?:arxiv|doi):\s?\S+"  # addresses
    r"|^ {0,3}(?:#{1,6}\s.*?$|\d+[.)]\s)"  # headings, numbers of lists
    r"|\d{4}-\d\d-\d\d|\d\d?:\d\d|\b\d{3}0s\b|\([^()\d]{0,60}(?:19|20)\d\d[a-z]?\)"  # dates, citations
    r"|\b(?:Keras|Python|TensorFlow|CUDA|RTX|GTX|Part|Parte)\s\d[\d.]*"
    r"|\b95\s?(?:%|por ciento)|\bp\s?<\s?0[.,]\d+",  # levels of confidence
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_PARAGRAPH = re.compile(r"(?:.*\S.*\n?)+")
_SHARES = ("%", "por ciento", "percent", "pp", "punto", "puntos", "point", "points")
_SCALES: Mapping[str, float] = {"ms": 1e3, "min": 1 / 60, "h": 1 / 3600, "kB": 1e-3, "MB": 1e-6, "GB": 1e-9, "M": 1e-6}
"""What a quantity is multiplied with to be in this unit."""
_NUMBER = re.compile(
    r"(?<![\w.,/–‑-])[+−-]?(?P<digits>\d+(?:[.,\u00a0\u202f]\d+)*)"
    r"(?:\s?[·×]\s?10\^?(?P<power>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹-][⁰¹²³⁴⁵⁶⁷⁸⁹\d]*)|e(?P<e>-?\d+))?"
    r"(?P<unit>(?:[\s\u00a0*]|&nbsp;)*(?:%|por ciento|percent|pp|puntos?|points?|[kMG]B|M|ms|s|min|h|px|×)(?![\w×]))?"
    r"(?![\w/])"
)
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_AHEAD = {
    "es": r"mejor|super[aó]\w*|peor|inferior|aventaja\w*|más exact\w+|(?:mayor|menor) exactitud",
    "en": r"better|worse|outperform\w*|superior|inferior|beats?|ahead of|(?:higher|lower) accuracy|more accurate",
}


def audit_typed(document: Document, given: Collection[str] = ()) -> list[Finding]:
    """What is typed in the commentary files and does not follow the results.

    A hint where a number can be printed by its name, where it has neither unit nor source, and where networks are
    compared in words alone; a fault where the evidence has no number of this value.

    Args:
        given: numbers that the assignment itself states, in either format, with `%` where they are shares.
    """
    allowed = {re.sub(r"[^\d%]", "", text) for text in given}
    known = [
        (section.key, name, quantity)
        for section in document.sections
        for name, quantity in named_values(section.evidence.names if section.evidence else {})
        if isinstance(quantity, Quantity) and math.isfinite(quantity.value)
    ]
    return [
        finding
        for section in document.sections
        if section.path is not None and section.evidence is not None
        for finding in _of_section(document, section, allowed, sorted(known, key=lambda one: one[0] != section.key))
    ]


def _of_section(
    document: Document, section: SectionText, allowed: set[str], known: list[tuple[str, str, Quantity]]
) -> Iterator[Finding]:
    assert section.path is not None
    source = section.path.read_text(encoding="utf-8")
    written = _NOT_THE_AUTHORS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    for paragraph in _PARAGRAPH.finditer(source):
        if "cite(" not in paragraph[0]:
            for found in _NUMBER.finditer(written, *paragraph.span()):
                yield from _number(found, document.language.decimal_sign, section, allowed, known)
        text = written[slice(*paragraph.span())]
        spelt = re.sub(r"[\s–‑-]", "", text.lower())
        titles = [find_network(key).TITLE for key in network_names()]
        named = [title for title in titles if title.lower().replace("-", "") in spelt]
        ahead = re.search(rf"\b(?:{_AHEAD.get(document.language.code, '(?!)')})\b", text, re.IGNORECASE)
        if ahead and len(named) > 1 and not re.search(r"\{\{|\{%-?\s*(?:el)?if", paragraph[0]):
            yield Finding(
                kind="comparison",
                severity="hint",
                section=section.key,
                path=section.path,
                line=source.count("\n", 0, paragraph.start() + ahead.start()) + 1,
                what=f"“{ahead[0]}” compares networks ({', '.join(named)}) without a claim, a printed number or a "
                "reference",
                suggestion='write it as a claim: {{ claim("… > …") }}',
            )


def _number(
    found: re.Match[str], decimal_sign: str, section: SectionText, allowed: set[str], known: list[tuple[str, str, Quantity]]
) -> Iterator[Finding]:  # fmt: skip
    typed, digits = " ".join(found[0].replace("*", "").replace("&nbsp;", " ").split()), found["digits"]
    unit = (found["unit"] or "").replace("&nbsp;", "").strip(" \n*\u00a0")
    value, slack = _read(digits, decimal_sign)
    power = int((found["power"] or found["e"] or "0").translate(_SUPERSCRIPTS))
    whole = not unit and not power and slack == 0.5
    if re.sub(r"\D", "", digits) + "%" * (unit in _SHARES) in allowed:
        return
    if whole and (value < 1000 or re.fullmatch(r"(?:19|20)\d\d", digits)):
        return
    value, slack = value * 10.0**power, slack * 10.0**power
    matches = [(key, name) for key, name, quantity in known if _is(quantity, value, slack, unit)]
    words = set(re.findall(r"\w+", found.string[max(0, found.start() - 80) : found.end() + 80]))
    where, name = next((one for one in matches if one[1] in words), matches[0] if matches else ("", ""))
    if name:
        what = f"“{typed}” is what {name} holds: print it, so that it stays right"
        suggestion = f"{{{{ {name} }}}}" if where == section.key else f"say it in {where}: {{{{ {name} }}}}"
    else:
        what = f"“{typed}” is not in the evidence"
        suggestion = f'print what the evidence has, cite its source, or answer for it: {{{{ given("{typed}") }}}}'
    bare = not unit and not power and not whole
    yield Finding(
        kind="number",
        severity="hint" if name or bare else "fault",
        section=section.key,
        path=section.path,
        line=found.string.count("\n", 0, found.start("digits")) + 1,
        what=what,
        suggestion=suggestion,
    )


def _read(digits: str, decimal_sign: str) -> tuple[float, float]:
    """Value and half a unit of the last digit, in this language's format, or else in the other's; NaN where in neither."""
    for sign, group in ((decimal_sign, "," if decimal_sign == "." else "."), ((",", ".") if decimal_sign == "." else (".", ","))):  # fmt: skip
        whole, _, rest = digits.partition(sign)
        if re.fullmatch(rf"\d+|[1-9]\d{{0,2}}(?:[{group}\u00a0\u202f]\d{{3}})+", whole) and re.fullmatch(r"\d*", rest):
            return float(f"{re.sub(r'[^0-9]', '', whole)}.{rest or 0}"), 0.5 * 10.0 ** -len(rest)
    return math.nan, math.nan


def _is(quantity: Quantity, value: float, slack: float, unit: str) -> bool:
    """Whether the quantity, or an end of its interval, is printed like this; without a unit a share may be of 1 or 100."""
    share = quantity.unit in ("share", "points", "probability")
    if unit and (unit in _SHARES) != share:
        return False
    scales = (1.0, 100.0) if share and not unit else (100.0,) if share else (_SCALES.get(unit, 1.0),)
    ends = [abs(end) for end in (quantity.value, quantity.low, quantity.high) if end is not None]
    return any(abs(end * scale - value) <= slack * (1 + 1e-6) for end in ends for scale in scales)
