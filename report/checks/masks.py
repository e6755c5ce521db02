"""What looks like a number and is none: names, numbers of figures and blocks, years, the level of an interval."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from report.checks.words import Words

_NAMES = (
    "keras|python|tensorflow|pytorch|numpy|cuda|cudnn|colab|ubuntu|windows|macos|rtx|gtx|tesla|radeon|ryzen|xeon|epyc"
    "|core|geforce|places|cifar|mnist|ilsvrc|imagenet|alexnet|vgg|resnet|inception|densenet|efficientnet|optuna|intel|amd"
)
_PRODUCT = re.compile(rf"\b(?:{_NAMES})\s+(?:v\.?\s?)?\d+(?:\.\d+)*\b(?!,\d|\s?%)", re.IGNORECASE)
_WORD = re.compile(r"(?<![\w.,])[^\W\d][\w.]*(?:[-–‑_]\w+)*")
_DATE = re.compile(
    r"\b(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?|(?:19|20)\d0s)\b"
    r"|\barxiv:\s?\S+|\bdoi:\s?\S+|\b10\.\d{4,}/\S+",
    re.IGNORECASE,
)
_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
)
_YEAR = r"(?:19[5-9]\d|20[0-4]\d)"
_DAY = re.compile(
    rf"\b(?:\d{{1,2}}\.?\s(?:de\s)?)?(?:{_MONTHS})\s(?:\d{{1,2}}\b(?!\s?%),?\s?)?(?:del?\s)?{_YEAR}\b"
    rf"|\b\d{{1,2}}\.?\s(?:de\s)?(?:{_MONTHS})\b|\b(?:{_MONTHS})\s\d{{1,2}}\b(?!\s?%)",
    re.IGNORECASE,
)
_YEAR_IN_PARENTHESES = re.compile(rf"\([^()\d]{{0,60}}{_YEAR}[a-z]?(?:,\s[^()\d]{{0,20}})?\)")
_SIGNIFICANCE = re.compile(r"(?:\bp|\bα|\balpha)[\s*_]*[<>≤≥][\s*_]*0[.,]\d+|(?:α|\balpha)\s?=\s?0[.,]\d+")
_UNIT = r"\s*(?:%|pp\b|s\b|min\b|h\b|px\b|[kMG]B\b)"


class Masks:
    """Blanks what is no number.

    Args:
        words: the words of the document's language.
        texts: names that the data brought, such as `Places-25`.
    """

    def __init__(self, words: Words, texts: Iterable[str]) -> None:
        self._texts = tuple(sorted({text for text in texts if _is_name(text)}, key=len, reverse=True))
        self._patterns, self._interval, self._level = _patterns(words)

    def applied(self, text: str) -> str:
        """`text` with blanks in place of what is no number; every position stays."""
        for name in self._texts:
            if name in text:
                text = text.replace(name, _blank(name))
        for pattern in self._patterns:
            text = pattern.sub(lambda match: _blank(match[0]), text)
        if self._interval and self._interval.search(text):
            text = self._level.sub(lambda match: _blank(match[0]), text)
        return _WORD.sub(lambda match: _blank(match[0]) if re.search(r"\d", match[0]) else match[0], text)


@lru_cache
def _patterns(words: Words) -> tuple[list[re.Pattern[str]], re.Pattern[str] | None, re.Pattern[str]]:
    """What is no number; what makes 95 % a level; and that level."""
    patterns = [_DATE, _DAY, _YEAR_IN_PARENTHESES, _SIGNIFICANCE, _PRODUCT]
    level = r"\b95(?:[,.]0)?(?:&nbsp;|\s)*(?:%{percent})"
    if not words.known:
        return patterns, None, re.compile(level.format(percent=""))
    counted = rf"(?![.,]?\d)(?!{_UNIT}|\s(?:\w+\s)?(?:{words.things}|{'|'.join(words.units.values())}))"
    one = rf"\d+(?:\.\d+)*{counted}"
    joined = rf"(?:(?:,\s|\s?[–/-]\s?|\s(?:{words.between}|or|e)\s)(?:el\s|la\s|the\s)?{one})*"
    patterns += [
        re.compile(rf"\b(?:{words.named})[\s*]{{1,3}}(?:n\.?º\s)?{one}{joined}", re.IGNORECASE),
        re.compile(rf"\b(?:{words.year})\s{_YEAR}\b{counted}", re.IGNORECASE),
    ]
    interval = re.compile(rf"\b(?:{words.interval})\b", re.IGNORECASE)
    return patterns, interval, re.compile(level.format(percent=f"|{words.units['percent']}"))


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", "\N{SYMBOL FOR SPACE}", text)


def _is_name(text: str) -> bool:
    """Whether a text from the data is one that can be told from a number: with digits and letters, and short."""
    return len(text) <= 80 and bool(re.search(r"\d", text)) and bool(re.search(r"[^\W\d_]{2}", text))
