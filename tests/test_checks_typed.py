"""Numbers and comparisons typed by hand: what the evidence knows or does not; and no alarm on the shipped texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from report.checks.typed import audit_typed
from report.data.records import LabData
from report.document.ledger import Finding
from report.document.model import Document
from tests.handwritten import LABS, records, with_text
from tests.reports import document as document_of

Audit = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    usual: LabData = records(tmp_path_factory.mktemp("usual") / "runs")
    return {code: document_of(usual, code) for code in ("en", "es")}


@pytest.fixture
def audit(documents: dict[str, Document], tmp_path: Path) -> Audit:
    def run(text: str, code: str = "en", *, key: str = "activity-09", given: Sequence[str] = ()) -> list[Finding]:
        return audit_typed(with_text(documents[code], tmp_path, text, key=key), given)

    return run


MATCHES = [
    ("en", "The accuracy on the test set is 77.5%.", "{{ test }}"),
    ("en", "The accuracy on the test set is **77.5**&nbsp;%.", "{{ test }}"),
    ("en", "The accuracy on the test set is 78 %.", "{{ test }}"),
    ("en", "The accuracy on the test set is 77.5 percent.", "{{ test }}"),
    ("en", "The accuracy on the test set is 0.775.", "{{ test }}"),
    ("en", "| Network | test accuracy (%) |\n|---|---:|\n| ResNet-50 | 77.5 |", "{{ test }}"),
    ("en", "The gap between training and test is 11.2 points.", "{{ gap_to_test }}"),
    ("en", "The gap between training and test is +11.2 pp.", "{{ gap_to_test }}"),
    ("en", "In the format of another language, test accuracy is 77,5 %.", "{{ test }}"),
    ("es", "La exactitud en el test es 77,5 %.", "{{ test }}"),
    ("es", "La exactitud en el test es 77,5 por ciento.", "{{ test }}"),
    ("es", "La exactitud en el test es 0,775.", "{{ test }}"),
    ("es", "La brecha es de 11,2 puntos.", "{{ gap_to_test }}"),
    ("es", "La red tiene 143.667.240 parámetros.", "say it in activity-06: {{ parameters }}"),
    ("en", "The network has 143.7 M parameters.", "say it in activity-06: {{ parameters }}"),
]


@pytest.mark.parametrize(("code", "text", "suggestion"), MATCHES)
def test_what_the_evidence_knows_is_to_be_printed_by_its_name(
    audit: Audit, code: str, text: str, suggestion: str
) -> None:
    (found,) = audit(f"First.\n\n{text}\n", code)
    assert (found.kind, found.severity, found.section) == ("number", "hint", "activity-09")
    assert found.line == 3 + text.count("\n") and found.path is not None and found.path.name == "activity-09.md.j2"
    assert found.suggestion == suggestion


UNKNOWN = [
    ("en", "We augmented 8,123,456 images.", "fault"),
    ("en", "People reach 31.4% on it.", "fault"),
    ("en", "The weight decay was 3·10⁻⁷.", "fault"),
    ("en", "The weight decay was 3e-7.", "fault"),
    ("es", "Una persona acierta el 31,4 %.", "fault"),
    ("en", "The loss was 31.4159.", "hint"),
]


@pytest.mark.parametrize(("code", "text", "severity"), UNKNOWN)
def test_what_nothing_knows_is_told_and_can_be_declared(audit: Audit, code: str, text: str, severity: str) -> None:
    (found,) = audit(text, code)
    assert found.severity == severity and "is not in the evidence" in found.what
    declared = found.suggestion.rpartition("answer for it: ")[2]
    assert declared.startswith('{{ given("') and audit(f"So it is: {declared}.", code) == []
    assert audit(f'{text} {{{{ cite("he2016") }}}}', code) == []


def test_the_assignment_supports_what_it_gives_and_no_more(audit: Audit) -> None:
    text = "The images have 25,088 values and 60.000 copies."
    assert len(audit(text)) == 2 and audit(text, given=["25.088", "60000"]) == []
    assert [one.severity for one in audit("It is right for 30 % of them.", given=["30"])] == ["fault"]
    assert audit("This part counts for 30 %.", given=["30 %"]) == []


NOT_NUMBERS = [
    "VGG-19, ResNet–50, ResNet 50, conv2_block1, top-5, float32, ImageNet-1k and 3D are names.",
    "Figures 12 and 13, Part 2.1, activities 9, 11 and 13, block 25, Keras 3.15, Python 3.11.7, RTX 3060.",
    "Filters of 3×3, 11x11 and (3, 3); 2 or 3 of them.",
    "It won in 2015, between 2012 and 2016 (He et al., 2016), on 24 April 2026 at 12:30, 2026-04-24, in the 1990s (arXiv:1512.03385).",
    "Intervals are at the 95 % level of confidence; p < 0.05.",
    "`accuracy = 31.4` is code, [this](https://example.org/31.4) a link, {# 31.4 #} a comment.",
    "```python\nx = 31.4\n\ny = 31.4\n```\n\n    y = 31.4\n",
    "17. The first.\n18. The second.\n",
    "#### 17,000 networks\n",
    "{% set x = 31.4 %}{% macro of(x) %}31.4 of {{ x }}{% endmacro %}A.",
    "En 2015, la actividad 13 y las figuras 12 y 14; entre 2012 y 2015.",
]


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_is_no_number_is_left_alone(audit: Audit, text: str) -> None:
    assert audit(text, "es" if text.startswith("En") else "en") == []


@pytest.mark.parametrize(
    ("code", "text", "word"),
    [
        ("en", "ResNet-50 is better than VGG-19.", "better"),
        ("en", "ResNet50 clearly outperforms VGG 19 here.", "outperforms"),
        ("en", "VGG-19 has lower accuracy\nthan ResNet-50.", "lower accuracy"),
        ("es", "ResNet-50 es mejor que VGG-19.", "mejor"),
        ("es", "ResNet-50 supera a VGG-19.", "supera"),
        ("es", "ResNet–50 logra mayor exactitud que VGG–19.", "mayor exactitud"),
        ("en", '{% set x = 1 %}VGG-19 is worse than AlexNet.\n\n{{ claim("resnet50 > vgg19") }}', "worse"),
    ],
)
def test_a_comparison_in_words_alone_is_a_hint(audit: Audit, code: str, text: str, word: str) -> None:
    (found,) = audit(f"Something.\n\n{text}\n", code)
    assert (found.kind, found.severity, found.section, found.line) == ("comparison", "hint", "activity-09", 3)
    assert found.what.startswith(f"“{word}” compares networks (") and "claim(" in found.suggestion


@pytest.mark.parametrize(
    "text",
    [
        "ResNet-50 is better than VGG-19, by {{ pairs[0].difference|interval }}.",
        'ResNet-50 is better than VGG-19. {{ claim("resnet50 > vgg19") }}',
        "{% if not first_is_tied %}ResNet-50 is better than VGG-19.{% endif %}",
        "This data set is better than another.",
        "VGG-19's best epoch is the third; VGG-19 is better than chance.",
        "#### Is ResNet-50 better than VGG-19?",
        "`ResNet-50 is better than VGG-19`",
    ],
)
def test_what_is_backed_or_compares_no_networks_is_left_alone(audit: Audit, text: str) -> None:
    assert audit(text) == []


@pytest.mark.parametrize("case", LABS)
@pytest.mark.parametrize("code", ["en", "es"])
def test_the_shipped_texts_raise_no_alarm(tmp_path: Path, case: str, code: str) -> None:
    assert audit_typed(document_of(records(tmp_path / "runs", **LABS[case]), code)) == []
