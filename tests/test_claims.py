"""Claims of the prose: their tests, their correction, how they are worded, and mistakes in them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from cnnlab.paths import templates_dir
from cnnlab.style import contrast
from report.checks.audit import audit_claims
from report.data.records import LabData
from report.document.claims import wording
from report.document.model import Document, Prose
from report.document.tokens import Tokens
from report.evidence.compare import better
from report.evidence.language import Language
from report.evidence.statistics import paired_difference
from report.figures.theme import COLOURS
from tests.command import translated
from tests.pages import Desk

NB = "\N{NO-BREAK SPACE}"
CLASSES = {"clothes": ["a", "b", "c", "d", "e", "f", "g", "h"], "digits": ["0", "1"]}


def desk_of(folder: Path, **store: Any) -> Desk:
    networks = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet", "resnet50"]}
    return Desk(folder, **{"networks": networks, "skill": {"alexnet": 0.15, "vgg19": 0.97, "resnet50": 0.95}, **store})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk_of(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk_of(tmp_path_factory.mktemp("seeds"), seeds=range(4))


def first_prose(document: Document, key: str = "activity-07") -> Prose:
    return next(piece for piece in document.section(key).pieces if isinstance(piece, Prose))


def rights(data: LabData, network: str, split: str = "test", part: str = "2_1") -> list[np.ndarray]:
    return [run.predictions[split].right for run in data.parts[part].of(network)]


def test_a_claim_that_the_runs_bear_out(desk: Desk) -> None:
    document = desk.document('As seen, {{ claim("vgg19 > alexnet") }}.', language="en")
    (claim,) = document.claims
    (vgg,), (alexnet,) = rights(document.lab, "vgg19"), rights(document.lab, "alexnet")
    only = int((vgg & ~alexnet).sum()), int((alexnet & ~vgg).sum())
    assert claim.verdict == "supported" and claim.claims_first
    assert (claim.difference.value, claim.difference.low, claim.difference.high) == paired_difference(*only, vgg.size)
    table = [[0, only[0]], [only[1], 0]]
    assert claim.p.value == claim.adjusted == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    text = first_prose(document).markdown.replace("\\", "")
    assert text.startswith(f"As seen, VGG-19 is ahead of AlexNet by {100 * (vgg.mean() - alexnet.mean()):.1f}{NB}pp (")
    assert text.endswith(f", p <{NB}0.001: supported.")
    assert audit_claims(document) == []


@pytest.mark.parametrize(
    ("text", "verdict", "severity", "end", "what"),
    [
        ("vgg19 < alexnet", "contradicted", "fault", ": contradicted (the claim was that AlexNet is ahead).",
         "contradict the claim “vgg19 < alexnet” (test accuracy on clothes)"),
        ("resnet50 > vgg19", "not distinguishable", "hint", ": not distinguishable.", "do not decide the claim"),
    ],
)  # fmt: skip
def test_what_the_runs_do_not_bear_out_is_told(
    desk: Desk, text: str, verdict: str, severity: str, end: str, what: str
) -> None:
    document = desk.document(f'One.\n\nTwo, {{{{ claim("{text}") }}}}.', language="en")
    assert document.claims[0].verdict == verdict and first_prose(document).markdown.endswith(end)
    (finding,) = audit_claims(document)
    assert (finding.kind, finding.severity, finding.section, finding.line) == ("claim", severity, "activity-07", 3)
    assert finding.path == document.section("activity-07").path and what in finding.what


def test_equal_networks_are_even(desk: Desk) -> None:
    runs = desk.data.parts["2_1"].of("vgg19")
    backing, tokens = better(runs, runs), Tokens(Language("en"))
    assert (backing.difference.value, backing.p.value) == (0, 1)
    (claim,) = desk.document('{{ claim("resnet50 > vgg19") }}').claims
    even = replace(claim, difference=backing.difference, p=backing.p, adjusted=backing.adjusted)
    words = tokens.resolve(wording(even, 1, tokens), "markdown")
    assert words.startswith(f"ResNet-50 and VGG-19 are even, 0.0{NB}pp (")
    assert words.endswith("p = 1.000: not distinguishable")


def test_all_claims_of_the_document_are_corrected_together(tmp_path: Path) -> None:
    text = "\n\n".join(
        f"{{{{ claim({call}) }}}}"
        for call in (
            '"vgg19 > alexnet"', '"resnet50 > vgg19"', '"vgg19 > resnet50", on="train accuracy"',
            '"alexnet < vgg19"', '"resnet50 > alexnet", dataset="digits"',
        )
    )  # fmt: skip
    document = desk_of(tmp_path, skill={"alexnet": 0.62, "vgg19": 0.84, "resnet50": 0.8}).document(text, language="en")
    claims = document.claims
    assert claims[0].adjusted == claims[3].adjusted, "made twice, it counts once"
    different = [claims[index] for index in (0, 1, 2, 4)]
    expected = multipletests([claim.p.value for claim in different], method="holm")[1]
    assert [claim.adjusted for claim in different] == pytest.approx(expected)
    assert claims[0].corrected.how == "Exact McNemar test, corrected by Holm"
    assert first_prose(document).markdown.count("(corrected for 4 comparisons)") == 5


def test_correction_can_change_a_verdict_that_was_rendered_before(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, skill={"alexnet": 0.6, "vgg19": 0.86, "resnet50": 0.9}, classes=CLASSES)
    first = '{{ claim("resnet50 > vgg19") }}'
    alone = desk.document(first, language="en")
    assert 0.03 < alone.claims[0].p.value < 0.05
    assert first_prose(alone).markdown.endswith(": supported")
    among = desk.document(first + ' {{ claim("resnet50 > vgg19", on="train accuracy") }}', language="en")
    assert among.claims[0].p == alone.claims[0].p
    assert among.claims[0].adjusted == pytest.approx(2 * among.claims[0].p.value)
    assert ": not distinguishable VGG-19 is ahead" in first_prose(among).markdown


def test_several_seeds_are_paired_where_they_are_the_same_and_one_is_not_averaged(seeds: Desk) -> None:
    document = seeds.document('{{ claim("vgg19 > alexnet") }}', language="en")
    (claim,) = document.claims
    vgg, alexnet = (seeds.data.parts["2_1"].of(name) for name in ("vgg19", "alexnet"))
    means = [[float(run.predictions["test"].right.mean()) for run in runs] for runs in (vgg, alexnet)]
    assert claim.p.value == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert claim.p.how == "Student's t test over paired seeds" and claim.seeds == 4
    gaps = np.subtract(*means)
    low, high = stats.t.interval(0.95, 3, loc=gaps.mean(), scale=stats.sem(gaps))
    assert claim.difference.value == pytest.approx(gaps.mean())
    assert claim.difference.low is not None and claim.difference.high is not None
    assert claim.difference.low < low + 0.02 and claim.difference.high > high - 0.02, "no narrower than that over seeds"
    assert "on average over 4 seeds" in first_prose(document).markdown
    assert len(claim.difference.runs) == 8
    welch = better(vgg[:2], alexnet[1:])
    assert welch == better(vgg[:2], alexnet[1:]), "the interval is the same each time"
    assert welch.p.value == pytest.approx(stats.ttest_ind(means[0][:2], means[1][1:], equal_var=False).pvalue)
    assert welch.p.how == "Welch's t test over seeds"
    one = better(vgg[2:3], alexnet)
    assert one == better(vgg[2:3], alexnet[2:3]), "the run of the same seed"
    assert one.p.how == "Exact McNemar test"


def test_measures_titles_and_data_sets(desk: Desk) -> None:
    text = '{{ claim("AlexNet > ResNet-50", on="train accuracy", dataset="Digits") }}\n\n{{ claim("vgg19>alexnet") }}'
    document = desk.document(text, language="en")
    first, second = document.claims
    assert (first.first, first.second, first.dataset, first.on) == ("AlexNet", "ResNet-50", "digits", "train accuracy")
    (alexnet,), (resnet,) = (rights(document.lab, name, "train", "2_2") for name in ("alexnet", "resnet50"))
    assert first.difference.value == pytest.approx(alexnet.mean() - resnet.mean())
    assert "in training accuracy on Digits, p" in first_prose(document).markdown
    assert (second.dataset, second.elsewhere) == ("clothes", "")


def test_top_5_needs_more_than_five_classes(tmp_path: Path) -> None:
    text = '{{ claim("vgg19 > alexnet", on="test top-5 accuracy") }}'
    assert "in top-5 accuracy, p" in desk_of(tmp_path, classes=CLASSES).prose(text, language="en").markdown


def test_the_page_marks_claims_and_their_numbers(desk: Desk) -> None:
    text = 'Before {{ accuracy }}.\n\n**{{ claim("vgg19 < alexnet") }}** {{ claim("vgg19 > resnet50") }}'
    document = desk.document(text, language="en")
    page = BeautifulSoup(first_prose(document).screen, "html.parser")
    marked = page.select("span.claim")
    assert [one["class"] for one in marked] == [["claim", "contradicted"], ["claim", "not-distinguishable"]]
    verdicts = [one.get_text() for one in page.select("span.claim > span.verdict")]
    assert verdicts == ["contradicted", "not distinguishable"]
    gap, p = marked[0].select("data.q")
    assert float(str(gap["value"])) == document.claims[0].difference.value
    assert gap["data-how"] == "Difference of accuracies on the same images, Bonett and Price interval"
    assert p["data-how"] == "Exact McNemar test, corrected by Holm"
    assert len(str(gap["data-runs"]).split()) == 2
    assert page.select("strong > span.claim") and "<data" not in first_prose(document).print
    named = [f"claim.{number}.{name}" for number in (1, 2) for name in ("difference", "p")]
    _, paragraph = document.section("activity-07").paragraphs
    assert [one.name for one in paragraph.printed] == named
    assert {"accuracy", *named} <= {one.name for one in document.printed if one.section == "activity-07"}


def test_claims_are_worded_in_spanish(desk: Desk) -> None:
    calls = ['"alexnet > vgg19", dataset="clothes"', '"resnet50 > vgg19", on="validation accuracy"']
    document = desk.document("\n\n".join(f"{{{{ claim({call}) }}}}" for call in calls))
    first, second = first_prose(document).markdown.split("\n\n")
    assert first.startswith("VGG-19 supera a AlexNet por ")
    assert first.endswith(": contradicho (se afirmaba que AlexNet es mejor)")
    assert "en exactitud de validación, p = " in second and second.endswith(": no se distinguen")
    assert "(corregido por 2 comparaciones)" in second
    assert all(translated(one.how) for one in (document.claims[0].corrected, document.claims[0].difference))


@pytest.mark.parametrize(
    ("call", "what", "expected", "hint"),
    [
        ('"resnet5 > vgg19"', "a network that does not exist", "alexnet, vgg19, resnet50", "resnet50"),
        ('"resnet50 = vgg19"', "compares two networks with > or <", "resnet50 > vgg19", "resnet50 > vgg19"),
        ('"vgg19 > vgg19"', "compares a network with itself", "", ""),
        ('"resnet50 > vgg19", on="test acuracy"', "a measure that does not exist", "test accuracy", "test accuracy"),
        ('"resnet50 > alexnet", dataset="clothe"', "a data set without runs", "clothes, digits", "clothes"),
        ('"vgg19 > alexnet", dataset="digits"', "no run on digits", "alexnet, resnet50", ""),
        ('"vgg19 > alexnet", on="test top-5 accuracy"', "says nothing of so few classes", "", ""),
    ],
)
def test_mistakes_name_the_line_and_the_nearest_name(
    desk: Desk, call: str, what: str, expected: str, hint: str
) -> None:
    problem = desk.problem(f"One.\n\nTwo\n{{{{ claim({call}) }}}}.")
    assert what in problem.what and expected in str(problem.expected)
    assert str(problem.where).endswith("activity-07.md.j2, line 4")
    assert problem.hint == (f"did you mean “{hint}”?" if hint else None)


def test_a_section_without_a_data_set_has_to_name_one(desk: Desk) -> None:
    problem = desk.problem('{{ claim("vgg19 > alexnet") }}', key="introduction")
    assert "say dataset=" in problem.what and problem.expected == "clothes, digits"
    text = '{{ claim("vgg19 > alexnet", dataset="clothes") }}'
    assert "on Clothes, p" in desk.prose(text, key="introduction", language="en").markdown


def test_verdicts_can_be_read_in_light_in_dark_and_on_paper() -> None:
    style = (templates_dir() / "style" / "common.css").read_text(encoding="utf-8")
    used = dict(re.findall(r"^\.claim[^{]*\{[^}]*color: var\(--(\w+), (#\w{6})\)", style, flags=re.MULTILINE))
    assert set(used) == {"muted", "good", "bad"}
    for name, printed in used.items():
        for colour, paper in (*zip(COLOURS[name], COLOURS["paper"], strict=True), (printed, "#ffffff")):
            assert contrast(colour, paper) >= 4.5, (name, colour)
