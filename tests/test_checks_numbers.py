"""Numbers typed by hand: what the evidence knows, knew or never knew; and no alarm on the shipped texts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from jinja2 import Environment

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.checks.comparatives import audit_comparatives
from report.checks.numbers import audit_numbers
from report.checks.reading import Typed, reader_of
from report.checks.source import Source, read_source
from report.checks.words import words_of
from report.data.records import LabData
from report.document.commentary import SYNTAX
from report.document.finding import Finding
from report.document.model import Document
from report.evidence.quantity import Unit
from tests.handwritten import LABS, document_of, records, with_text
from tests.test_commentary import assembled, problem_of, prose_of

Audit = Callable[..., list[Finding]]


@dataclass(frozen=True)
class Was:
    """A quantity as it was when the text was accepted."""

    name: str
    value: float
    unit: Unit


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> LabData:
    return records(tmp_path_factory.mktemp("usual") / "runs")


@pytest.fixture(scope="module")
def documents(usual: LabData) -> dict[str, Document]:
    return {code: document_of(usual, code) for code in ("en", "es")}


@pytest.fixture
def audit(documents: dict[str, Document], tmp_path: Path) -> Audit:
    def run(
        text: str, code: str = "en", *, key: str = "activity-09", given: Sequence[str] = (), former: Sequence[Was] = ()
    ) -> list[Finding]:
        document = with_text(documents[code], tmp_path, text, key=key)
        return audit_numbers(document, given=given, former={key: former})

    return run


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_the_fabricated_lab_is_the_one_that_these_tests_suppose(documents: dict[str, Document]) -> None:
    evidence = documents["en"].section("activity-09").evidence
    assert evidence is not None
    test, gap = evidence.names["test"], evidence.names["gap_to_test"]
    assert (test.value, round(test.low, 3), round(test.high, 3)) == (0.775, 0.625, 0.877)
    assert (round(gap.value, 4), evidence.names["validation"].value) == (0.1125, 0.825)
    assert (evidence.names["network"], evidence.names["ranking"][0]["network"]) == ("ResNet-50", "VGG-19")


MATCHES = [
    ("en", "The accuracy on the test set is 77.5%.", "{{ test }}"),
    ("en", "The accuracy on the test set is **77.5**&nbsp;%.", "{{ test }}"),
    ("en", "The accuracy on the test set is 78 %.", "{{ test|plain(0) }} %"),
    ("en", "The accuracy on the test set is 77.5 percent.", "{{ test|plain(1) }} percent"),
    ("en", "The accuracy on the test set is 0.775.", "{{ test }}"),
    ("en", "The accuracy on the test set is about 80%.", "{{ test|plain(0) }}%"),
    ("en", "The accuracy on the test set is 77.5% (62.5–87.7).", "{{ test|interval }}"),
    ("en", "The gap between training and test is 11.2 points.", "{{ gap_to_test|plain(1) }} points"),
    ("en", "The gap between training and test is 11.2 pp.", "{{ gap_to_test }}"),
    ("en", "The gap between training and test is +11.2 pp.", "{{ gap_to_test|signed }}"),
    ("en", "There are 40 test images.", "{{ test_images }}"),
    ("en", "VGG-19 is right for 77.5% of them.", "{{ ranking[0].accuracy }}"),
    ("es", "La exactitud en el test es 77,5 %.", "{{ test }}"),
    ("es", "La exactitud en el test es 77,5 por ciento.", "{{ test|plain(1) }} por ciento"),
    ("es", "La exactitud en el test es 0,775.", "{{ test }}"),
    ("es", "La exactitud en el test es 77,5 % (62,5–87,7).", "{{ test|interval }}"),
    ("es", "La brecha es de 11,2 puntos.", "{{ gap_to_test|plain(1) }} puntos"),
]


@pytest.mark.parametrize(("code", "text", "suggestion"), MATCHES)
def test_what_the_evidence_knows_is_suggested_as_it_can_be_pasted(
    audit: Audit, code: str, text: str, suggestion: str
) -> None:
    found = only(audit(f"First.\n\n{text}\n", code))
    assert (found.kind, found.severity, found.line, found.section) == ("number", "hint", 3, "activity-09")
    assert found.path is not None and found.path.name == "activity-09.md.j2"
    assert found.suggestion == suggestion


def test_a_suggestion_renders_to_what_was_typed(tmp_path: Path) -> None:
    text = "Accuracy {{ accuracy|plain(0) }} %, {{ accuracy|interval }}, {{ best.accuracy }}."
    assert prose_of(assembled(tmp_path, text))[0].markdown.startswith("Accuracy 63 %, 63,2\u00a0% (59,1–67,0), ")


LARGE = [
    ("en", "The network has 143,667,240 parameters."),
    ("en", "The network has 143.7 million parameters."),
    ("en", "The network has 143.7 M parameters."),
    ("es", "La red tiene 143.667.240 parámetros."),
    ("es", "La red tiene 143,7 millones de parámetros."),
    ("es", "La red tiene unos 144 millones de parámetros."),
]


@pytest.mark.parametrize(("code", "text"), LARGE)
def test_grouped_and_scaled_counts_are_read(audit: Audit, code: str, text: str) -> None:
    assert only(audit(text, code, key="activity-06")).suggestion == "{{ parameters }}"


def test_what_another_section_knows_is_told_with_that_section(audit: Audit) -> None:
    found = only(audit("VGG-19 has 143,667,240 parameters."))
    assert found.severity == "hint" and "activity-06 (Activity 6)" in found.what
    assert found.suggestion == "say it in activity-06: {{ parameters }}"
    time_taken = only(audit("Training took 1 min 2 s.", key="activity-08"))
    assert (time_taken.severity, time_taken.suggestion) == ("hint", "say it in activity-07: {{ time }}")


def test_durations_and_epochs_are_read_in_words_and_signs(audit: Audit) -> None:
    for code, text in (("en", "Training took 1 minute and 2 seconds."), ("es", "El entrenamiento tardó 1 min y 2 s."),
                       ("es", "El entrenamiento duró 62 segundos.")):  # fmt: skip
        assert only(audit(text, code, key="activity-07")).suggestion == "{{ time }}"
    assert only(audit("It kept epoch 5.", key="activity-08")).suggestion == "{{ best_epoch }}"
    assert only(audit("Se conserva la época 5.", "es", key="activity-08")).suggestion == "{{ best_epoch }}"


def test_a_near_miss_is_a_fault_that_says_what_the_value_is_now(audit: Audit) -> None:
    found = only(audit("One.\nThe accuracy on the test set\nis 76.1%.\n"))
    assert (found.severity, found.line, found.suggestion) == ("fault", 3, "{{ test }}")
    assert found.what == "“76.1%” is close to test, which is 77.5% now"


def test_a_number_that_equals_what_the_words_do_not_speak_of_is_a_near_miss(audit: Audit) -> None:
    found = only(audit("The test accuracy is 82.5% here."))  # the value of validation
    assert (found.severity, found.suggestion) == ("fault", "{{ test }}")


def test_what_the_evidence_knew_is_stale(audit: Audit) -> None:
    was = [Was("test", 0.412, "share"), Was("train", 0.8875, "share"), Was("ranking.1.accuracy", 0.333, "share")]
    found = only(audit("Exactitud en el test: 41,2 %.", "es", former=was))
    assert (found.severity, found.suggestion) == ("fault", "{{ test }}")
    assert found.what == "“41,2 %” was test when the text was accepted, which is 77,5 % now"
    listed = only(audit("ResNet-50 has an accuracy of 33%.", former=was))
    assert listed.suggestion == "{{ ranking[1].accuracy|plain(0) }}%"
    assert only(audit("The training accuracy is 88.8%.", former=was)).severity == "hint"  # it has not changed


def test_an_old_interval_behind_a_right_number_is_stale(audit: Audit) -> None:
    found = only(audit("The test accuracy is 77.5% (61.0–90.1)."))
    assert (found.severity, found.suggestion) == ("fault", "{{ test|interval }}")
    assert "(62.5–87.7%) now" in found.what


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "We augmented 8,123,456 images."),
        ("en", "People reach 31.4% on it."),
        ("en", "The weight decay was 3·10⁻⁷."),
        ("en", "The weight decay was 3e-7."),
        ("es", "Una persona acierta el 31,4 %."),
        ("en", "{{ '31.4' }} of them."),
    ],
)
def test_what_nothing_knows_is_a_fault_and_can_be_declared(audit: Audit, code: str, text: str) -> None:
    found = only(audit(text, code))
    assert found.severity == "fault" and "is not in the evidence" in found.what
    declared = found.suggestion.rpartition("answer for it: ")[2]
    assert declared.startswith('{{ given("') and audit(f"So it is: {declared}.", code) == []


def test_sources_and_the_assignment_support_a_number(audit: Audit) -> None:
    text = "The images have 25,088 values and 60.000 copies of 7×7×512."
    assert len(audit(text)) == 3
    assert audit(text.replace("copies", 'copies {{ cite("he2016") }}')) == []
    assert audit(text, given=["25.088", "60,000", "7×7×512"]) == []
    assert audit(text, given=["25088", "60000", "7", "512"]) == []
    assert len(audit(text, given=["25088"])) == 2


def test_the_assignment_supports_what_it_gives_and_no_more(audit: Audit) -> None:
    assert audit("It has 100 kinds, of 84 pixels a side.", given=["100", "84"]) == []
    assert only(audit("We trained for 100 epochs.", given=["100"])).severity == "fault"
    assert only(audit("It is right for 30 % of them.", given=["30"])).severity == "fault"
    assert audit("This part counts for 30 %.", given=["30 %"]) == []
    was = [Was("test_images", 100, "count")]
    assert only(audit("There are 100 test images.", given=["100"], former=was)).suggestion == "{{ test_images }}"


def test_the_format_of_another_language_is_understood_and_pointed_out(audit: Audit) -> None:
    english, spanish = only(audit("Test accuracy: 77,5 %.")), only(audit("Exactitud en el test: 77.5 %.", "es"))
    assert english.suggestion == spanish.suggestion == "{{ test }}"
    assert "decimal sign is “.”" in english.what and "decimal sign is “,”" in spanish.what
    assert "another language" not in only(audit("Test accuracy: 77.5 %.")).what


def test_tables_take_the_unit_from_their_head(audit: Audit) -> None:
    text = "| Network | Accuracy (%) |\n|---|---:|\n| VGG-19 | 77.5 |\n| ResNet-50 | 12.34 |\n"
    right, wrong = audit(text)
    assert (right.severity, right.line, right.suggestion) == ("hint", 3, "{{ ranking[0].accuracy|plain(1) }}")
    assert (wrong.severity, wrong.line) == ("fault", 4)


def test_a_number_in_a_branch_has_the_words_around_the_branches(audit: Audit) -> None:
    text = "In test,\n{% if several_networks %}\n77.5{% else %}31.4{% endif %} % are right.\n"
    right, wrong = audit(text)
    assert (right.severity, right.line, right.suggestion) == ("hint", 3, "{{ test }}")
    assert (wrong.severity, wrong.line) == ("fault", 3) and "31.4 %" in wrong.what


NOT_NUMBERS = [
    "VGG-19, ResNet–50, ResNet 50, conv2_block1, top-5, float32, ImageNet-1k and 3D are names.",
    "Figures 12 and 13, Part 2.1, activities 9, 11 and 13, block 25, Keras 3.15, Python 3.11.7, RTX 3060.",
    "Filters of 3×3, 11x11 and (3, 3); 2 or 3 of them.",
    "It won in 2015, between 2012 and 2016 (He et al., 2016), on 24 April 2026 at 12:30, 2026-04-24, in the 1990s (arXiv:1512.03385).",
    "Intervals are at the 95 % level of confidence; p < 0.05.",
    "`accuracy = 31.4` and ``31.4`` are code, [this](https://example.org/31.4) a link, {# 31.4 #} a comment.",
    "```python\nx = 31.4\n```\n\n    y = 31.4\n",
    "17. The first.\n18. The second.\n",
    "#### 17 networks\n",
    "{% set x = 31.4 %}{% macro of(x) %}31.4 of {{ x }}{% endmacro %}A.",
    "En 2015, la actividad 13 y las figuras 12 y 14; entre 2012 y 2015.",
]


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_is_no_number_is_left_alone(audit: Audit, text: str) -> None:
    assert audit(text, "es" if text.startswith("En") else "en") == []


def test_a_shape_that_the_evidence_knows_is_to_be_printed(audit: Audit) -> None:
    found = only(audit("The block ends at 56x56x128.", key="activity-01"))
    assert (found.severity, found.suggestion) == ("hint", "{{ after }}")
    assert only(audit("The images are of 90×90 pixels.")).severity == "fault"


def test_a_shape_that_another_section_knows_as_a_size_is_told_with_it(audit: Audit) -> None:
    found = only(audit("The networks see images of 32x32."))
    assert (found.severity, found.suggestion) == (
        "hint",
        "say it in introduction: {{ first_size }}×{{ first_size }}",
    )


def test_a_small_number_is_told_by_the_word_beside_it(audit: Audit) -> None:
    assert only(audit("All from seed 0.", key="activity-07")).suggestion == "{{ split_seed }}"
    assert only(audit("It ran on 2 cores.", key="activity-07")).suggestion == "{{ cores }}"
    assert audit("There are 2 reasons, and 3 of them are here.", key="activity-07") == []


def test_a_number_that_nothing_but_its_value_ties_to_the_evidence_may_be_chance(audit: Audit) -> None:
    found = only(audit("We asked 40 people."))
    assert found.severity == "hint" and "perhaps by chance" in found.what
    assert "perhaps by chance" not in only(audit("There are 40 test images.")).what


def test_a_number_beside_a_networks_name_is_that_networks(audit: Audit) -> None:
    found = only(audit("ResNet-50 got 77.4%."))  # its accuracy is told by its name alone
    assert (found.severity, found.suggestion) == ("fault", "{{ test }}")
    alexnet = only(audit("AlexNet got 70%."))
    assert (alexnet.severity, alexnet.suggestion) == ("hint", "{{ ranking[2].accuracy|plain(0) }}%")


@pytest.mark.parametrize("case", LABS)
@pytest.mark.parametrize("code", ["en", "es"])
def test_the_shipped_texts_raise_no_alarm(tmp_path: Path, case: str, code: str) -> None:
    document = document_of(records(tmp_path / "runs", **LABS[case]), code)
    assert audit_numbers(document) == []
    assert audit_comparatives(document) == []


def test_an_audit_takes_a_fraction_of_a_second(documents: dict[str, Document]) -> None:
    audit_numbers(documents["en"])
    start = time.process_time()
    audit_numbers(documents["en"])
    assert time.process_time() - start < 0.3  # about 0.02


def test_a_language_without_words_is_read_by_its_signs() -> None:
    source = Source("Die Abbildung 12 zeigt 63,2 % von 3 Netzen und 3·10⁻⁴.")
    reader = reader_of(",", words_of("de"))
    (sentence,) = source.sentences
    read = {one.number: one for one in reader.numbers(sentence, sentence.text)}
    assert (read["63,2"].unit, read["63,2"].readings[0].value) == ("percent", 63.2)
    assert read["3"].unit == "" and not words_of("de").known


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,2 G", 1.2e9, "count"), ("2 min 5 s", 125, "seconds"), ("1 h 20 min", 4800, "seconds"), ("3e-4", 3e-4, ""),
        ("3·10⁻⁴", 3e-4, ""), ("3 × 10^-4", 3e-4, ""), ("10⁻³", 1e-3, ""), ("−2,3 puntos", -2.3, "points"),
        ("12 345 imágenes", 12345, ""), ("574,7 MB", 574.7e6, "bytes"), ("6,1 veces", 6.1, "ratio"),
        ("2,5×", 2.5, "ratio"), ("32 px", 32, "pixels"), ("130 imágenes/s", 130, "speed"), ("40 ms", 0.04, "seconds"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_type_them(text: str, value: float, unit: str) -> None:
    (sentence,) = Source(f"Son {text}.").sentences
    typed: list[Typed] = list(reader_of(",", words_of("es")).numbers(sentence, sentence.text))
    assert [(one.readings[0].value, one.unit) for one in typed if one.number] == [(pytest.approx(value), unit)]


def test_lines_are_those_of_the_file() -> None:
    for path in sorted((templates_dir() / "commentary").glob("e[ns]/*.j2")):
        lines, source = path.read_text("utf-8").split("\n"), read_source(path)
        words = [(m, one) for one in source.sentences for m in _words(one.text)]
        assert words and all(word in lines[one.line(at) - 1] for (word, at), one in words), path


def _words(text: str) -> list[tuple[str, int]]:
    return [(match[0], match.start()) for match in re.finditer(r"[^\W\d_]{4,}", text)]


def test_given_prints_its_text_and_takes_nothing_else(tmp_path: Path) -> None:
    assert prose_of(assembled(tmp_path, 'Size {{ given("7×7×512") }}, {{ given("*3*") }}.'))[0].print == (
        "<p>Size 7×7×512, *3*.</p>\n"
    )
    problem = problem_of(tmp_path / "wrong", "Size {{ given(512) }}.")
    assert isinstance(problem, TemplateProblem) and "takes a text" in str(problem)


def test_the_reading_environment_is_that_of_the_commentary() -> None:
    text = "A {% if x %}b{% endif %}\n{% if y %}\nc\n{% endif %}\nd"
    rendered = Environment(**SYNTAX).from_string(text).render(x=1, y=1)
    assert "".join(letter for letter in Source(text).flat if letter != "\ue011") == rendered
