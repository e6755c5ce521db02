"""Sentences that compare networks in words alone, and those that are backed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from report.checks.comparatives import audit_comparatives
from report.data.records import LabData
from report.document.finding import Finding
from report.document.model import Document
from tests.handwritten import document_of, records, with_text

Audit = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> LabData:
    return records(tmp_path_factory.mktemp("usual") / "runs")


@pytest.fixture(scope="module")
def documents(usual: LabData) -> dict[str, Document]:
    return {code: document_of(usual, code) for code in ("en", "es")}


@pytest.fixture
def audit(documents: dict[str, Document], tmp_path: Path) -> Audit:
    def run(text: str, code: str = "en", *, key: str = "activity-09") -> list[Finding]:
        return audit_comparatives(with_text(documents[code], tmp_path, text, key=key))

    return run


PAIR = '{{ claim("resnet50 > vgg19", on="test accuracy") }}'
TURNED = '{{ claim("vgg19 < resnet50", on="test accuracy") }}'
PLANTED = [
    ("en", "ResNet-50 is better than VGG-19.", "better", PAIR),
    ("en", "ResNet50 clearly outperforms VGG 19 here.", "outperforms", PAIR),
    ("en", "As expected, resnet\nbeats vgg.", "beats", PAIR),
    ("en", "VGG-19 is less accurate than ResNet-50.", "less accurate", TURNED),
    ("en", "VGG-19 has lower accuracy than ResNet-50.", "lower", TURNED),
    ("en", "{{ network }} is superior to VGG-19.", "superior", PAIR),
    ("es", "ResNet-50 es mejor que VGG-19.", "mejor", PAIR),
    ("es", "ResNet-50 supera a VGG-19.", "supera", PAIR),
    ("es", "VGG-19 resulta inferior a ResNet-50.", "inferior", TURNED),
    ("es", "ResNet–50 logra mayor exactitud que VGG–19.", "mayor exactitud", PAIR),
    (
        "en",
        "VGG-19 beats ResNet-50 on the validation images.",
        "beats",
        '{{ claim("vgg19 > resnet50", on="validation accuracy") }}',
    ),
    ("en", "VGG-19 has a higher number of parameters than AlexNet.", "higher", "print the numbers that are compared"),
    ("en", "ResNet-50 is not better than VGG-19.", "better", "print the difference with its interval"),
]


@pytest.mark.parametrize(("code", "text", "word", "suggestion"), PLANTED)
def test_a_comparison_in_words_alone_is_found_with_the_claim_to_write(
    audit: Audit, code: str, text: str, word: str, suggestion: str
) -> None:
    (found,) = audit(f"Something.\n\n{text}\n", code)
    assert (found.kind, found.severity, found.section) == ("comparison", "hint", "activity-09")
    assert found.path is not None and found.path.name == "activity-09.md.j2"
    assert found.line == 3 + text[: text.index(word)].count("\n")
    assert found.what.startswith(f"“{word}” compares networks (")
    assert found.suggestion == suggestion


def test_the_best_of_all_claims_it_over_each_of_the_others(audit: Audit) -> None:
    (found,) = audit("VGG-19 is the best.")
    assert found.suggestion == (
        '{{ claim("vgg19 > alexnet", on="test accuracy") }} {{ claim("vgg19 > resnet50", on="test accuracy") }}'
    )


def test_outside_the_parts_a_claim_names_its_data_set(audit: Audit) -> None:
    (first,) = audit("ResNet-50 beats AlexNet.", key="conclusions")
    assert first.suggestion == '{{ claim("resnet50 > alexnet", on="test accuracy", dataset="clothes") }}'
    (second,) = audit("On Digits, ResNet-50 beats AlexNet.", key="conclusions")
    assert second.suggestion.endswith('dataset="digits") }}')


BACKED = [
    "ResNet-50 is better than VGG-19, by {{ pairs[0].difference|interval }}.",
    "ResNet-50 is right for {{ test }}, which is better than VGG-19.",
    "{% for entry in ranking %}{{ entry.network }} is better: {{ entry.accuracy }}.{% endfor %}",
    'ResNet-50 is better than VGG-19 on ImageNet {{ cite("he2016") }}.',
    'ResNet-50 is better than VGG-19. {{ claim("resnet50 > vgg19") }}',
    "{% if not first_is_tied %}ResNet-50 is better than VGG-19.{% endif %}",
    "This data set is better than another.",
    "VGG-19's best epoch is the third, and its worst class the coat.",
    "VGG-19 is better than chance.",
    "#### Is ResNet-50 better than VGG-19?",
    "`ResNet-50 is better than VGG-19`",
    "ResNet-50 is better than VGG-19: `{{ test }}`.",
    "{% raw %}ResNet-50 \ue010 has {{ more }}{% endraw %}.",
    "ResNet-50 has bottlenecks. The beaten path is better.",
]


@pytest.mark.parametrize("text", BACKED)
def test_what_is_backed_or_compares_no_networks_is_left_alone(audit: Audit, text: str) -> None:
    assert audit(text) == []


def test_a_condition_that_says_only_what_there_is_guards_nothing(audit: Audit) -> None:
    assert len(audit("{% if several_networks %}ResNet-50 is better than VGG-19.{% endif %}")) == 1
    assert len(audit("{% for entry in ranking %}{{ entry.network }} is better than VGG-19. {% endfor %}")) == 1


def test_a_claim_in_another_paragraph_backs_nothing(audit: Audit) -> None:
    assert len(audit('VGG-19 is the worst of AlexNet and VGG-19.\n\n{{ claim("resnet50 > vgg19") }}')) == 1


def test_a_language_without_words_is_not_searched(documents: dict[str, Document], tmp_path: Path) -> None:
    document = with_text(documents["en"], tmp_path, "ResNet-50 is better than VGG-19.")
    assert audit_comparatives(replace(document, language=SimpleNamespace(code="de"))) == []  # type: ignore[arg-type]
