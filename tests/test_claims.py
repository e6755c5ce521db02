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

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.checks.audit import audit_claims
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.claims import wording
from report.document.model import Document, Prose
from report.evidence.compare import better
from report.evidence.language import Language
from report.evidence.statistics import paired_difference
from report.figures.theme import COLOURS
from tests.command import translated
from tests.pages import PROSE, REFERENCES, SECTIONS, write_lab

NB = "\N{NO-BREAK SPACE}"
NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet", "resnet50"]}
SKILL = {"alexnet": 0.15, "vgg19": 0.97, "resnet50": 0.95}


def opened(folder: Path, text: str, *, language: str = "en", key: str = "activity-07", **store: Any) -> Any:
    store = {"networks": NETWORKS, "skill": SKILL, **store}
    records, lab = write_lab(folder, language=language, prose={**PROSE, key: text}, **store)
    return open_lab(records, "demo"), lab


def document_of(folder: Path, text: str, *, language: str = "en", **options: Any) -> Document:
    data, lab = opened(folder, text, language=language, **options)
    return assemble(data, lab, Language(language), sections=SECTIONS, references=REFERENCES)


def first_prose(document: Document, key: str = "activity-07") -> Prose:
    return next(piece for piece in document.section(key).pieces if isinstance(piece, Prose))


def markup(document: Document) -> BeautifulSoup:
    return BeautifulSoup(first_prose(document).screen, "html.parser")


def problem_of(folder: Path, text: str, **options: Any) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        document_of(folder, text, **options)
    return caught.value


def rights(data: LabData, network: str, split: str = "test", part: str = "2_1") -> list[np.ndarray]:
    return [run.predictions[split].right for run in data.parts[part].of(network)]


def test_a_claim_that_the_runs_bear_out(tmp_path: Path) -> None:
    document = document_of(tmp_path, 'As seen, {{ claim("vgg19 > alexnet") }}.')
    (claim,) = document.claims
    (vgg,), (alexnet,) = rights(document.lab, "vgg19"), rights(document.lab, "alexnet")
    only = int((vgg & ~alexnet).sum()), int((alexnet & ~vgg).sum())
    assert claim.verdict == "supported" and claim.claims_first
    assert (claim.difference.value, claim.difference.low, claim.difference.high) == paired_difference(*only, vgg.size)
    table = [[0, only[0]], [only[1], 0]]
    assert claim.p.value == claim.adjusted.value == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    value = 100 * (vgg.mean() - alexnet.mean())
    text = markup(document).get_text().strip()
    assert text.startswith(f"As seen, VGG-19 is ahead of AlexNet by {value:.1f}{NB}pp (")
    assert text.endswith(f", p <{NB}0.001: supported.")
    assert audit_claims(document) == []


def test_a_claim_that_the_runs_contradict_is_a_fault(tmp_path: Path) -> None:
    document = document_of(tmp_path, 'One.\n\nTwo, {{ claim("vgg19 < alexnet") }}.')
    (claim,) = document.claims
    assert claim.verdict == "contradicted" and claim.difference.value > 0
    text = first_prose(document).markdown
    assert "VGG-19 is ahead of AlexNet by" in text
    assert text.endswith(": contradicted (the claim was that AlexNet is ahead).")
    (finding,) = audit_claims(document)
    assert (finding.kind, finding.severity, finding.section, finding.line) == ("claim", "fault", "activity-07", 3)
    assert finding.path == document.section("activity-07").path
    assert "contradict the claim “vgg19 < alexnet” (test accuracy on clothes)" in finding.what


def test_what_the_runs_cannot_decide_is_a_hint(tmp_path: Path) -> None:
    document = document_of(tmp_path, '{{ claim("resnet50 > vgg19") }}')
    (claim,) = document.claims
    assert claim.verdict == "not distinguishable" and claim.p.value > 0.05
    assert first_prose(document).markdown.endswith(": not distinguishable")
    (finding,) = audit_claims(document)
    assert finding.severity == "hint" and "do not decide" in finding.what


def test_equal_networks_are_even(tmp_path: Path) -> None:
    document = document_of(tmp_path, '{{ claim("resnet50 > vgg19") }}')
    runs = document.lab.parts["2_1"].of("vgg19")
    backing = better(runs, runs)
    assert (backing.difference.value, backing.p.value) == (0, 1)
    even = replace(document.claims[0], difference=backing.difference, p=backing.p, adjusted=backing.p)
    assert even.verdict == "not distinguishable"
    words, verdict, contrary = wording(even, Language("en"), str, lambda quantity, text, name: text)
    assert words.startswith(f"ResNet-50 and VGG-19 are even, 0.0{NB}pp (") and words.endswith("p = 1.000")
    assert (verdict, contrary) == ("not distinguishable", "")


def test_all_claims_of_the_document_are_corrected_together(tmp_path: Path) -> None:
    text = "\n\n".join(
        f"{{{{ claim({call}) }}}}"
        for call in (
            '"vgg19 > alexnet"', '"resnet50 > vgg19"', '"vgg19 > resnet50", on="train accuracy"',
            '"alexnet < vgg19"', '"resnet50 > alexnet", dataset="digits"',
        )
    )  # fmt: skip
    skill = {"alexnet": 0.62, "vgg19": 0.84, "resnet50": 0.8}
    document = document_of(tmp_path, text, skill=skill)
    claims = document.claims
    assert claims[0].comparison == claims[3].comparison and claims[0].adjusted.value == claims[3].adjusted.value
    different = [claims[index] for index in (0, 1, 2, 4)]
    expected = multipletests([claim.p.value for claim in different], method="holm")[1]
    assert [claim.adjusted.value for claim in different] == pytest.approx(expected)
    assert {claim.tests for claim in claims} == {4}
    assert claims[0].adjusted.how == "Exact McNemar test, corrected by Holm"
    assert first_prose(document).markdown.count("(corrected for 4 comparisons)") == 5


def test_correction_can_change_a_verdict_that_was_rendered_before(tmp_path: Path) -> None:
    store = {"skill": {"alexnet": 0.6, "vgg19": 0.86, "resnet50": 0.9}, "classes": CLASSES}
    first = '{{ claim("resnet50 > vgg19") }}'
    alone = document_of(tmp_path / "alone", first, **store)
    assert 0.03 < alone.claims[0].p.value < 0.05
    assert first_prose(alone).markdown.endswith(": supported")
    among = document_of(tmp_path / "among", first + ' {{ claim("resnet50 > vgg19", on="train accuracy") }}', **store)
    assert among.claims[0].p == alone.claims[0].p
    assert among.claims[0].adjusted.value == pytest.approx(2 * among.claims[0].p.value)
    assert ": not distinguishable VGG-19 is ahead" in first_prose(among).markdown


CLASSES = {"clothes": ["a", "b", "c", "d", "e", "f", "g", "h"], "digits": ["0", "1"]}


def test_several_seeds_are_paired(tmp_path: Path) -> None:
    document = document_of(tmp_path, '{{ claim("vgg19 > alexnet") }}', seeds=range(4))
    (claim,) = document.claims
    means = {name: [float(one.mean()) for one in rights(document.lab, name)] for name in ("vgg19", "alexnet")}
    assert claim.p.value == pytest.approx(stats.ttest_rel(means["vgg19"], means["alexnet"]).pvalue)
    assert claim.p.how == "Student's t test over paired seeds" and claim.seeds == 4
    gaps = np.subtract(means["vgg19"], means["alexnet"])
    low, high = stats.t.interval(0.95, 3, loc=gaps.mean(), scale=stats.sem(gaps))
    assert claim.difference.value == pytest.approx(gaps.mean())
    assert claim.difference.low is not None and claim.difference.high is not None
    assert claim.difference.low < low + 0.02 and claim.difference.high > high - 0.02, "no narrower than that over seeds"
    assert "on average over 4 seeds" in first_prose(document).markdown
    assert len(claim.difference.runs) == 8


def test_different_seeds_are_not_paired_and_one_seed_is_not_averaged(tmp_path: Path) -> None:
    data, _ = opened(tmp_path, "", seeds=range(4))
    vgg, alexnet = data.parts["2_1"].of("vgg19"), data.parts["2_1"].of("alexnet")
    welch = better(vgg[:2], alexnet[1:])
    means = [[float(run.predictions["test"].right.mean()) for run in runs] for runs in (vgg[:2], alexnet[1:])]
    assert welch.p.value == pytest.approx(stats.ttest_ind(*means, equal_var=False).pvalue)
    assert welch.p.how == "Welch's t test over seeds"
    one = better(vgg[2:3], alexnet)
    assert one == better(vgg[2:3], alexnet[2:3]), "the run of the same seed"
    assert one.p.how == "Exact McNemar test"


def test_the_interval_is_the_same_each_time(tmp_path: Path) -> None:
    data, _ = opened(tmp_path, "", seeds=range(2))
    runs = [data.parts["2_1"].of(name) for name in ("vgg19", "alexnet")]
    assert better(*runs) == better(*runs)


def test_measures_titles_and_data_sets(tmp_path: Path) -> None:
    text = '{{ claim("AlexNet > ResNet-50", on="train accuracy", dataset="Digits") }}\n\n{{ claim("vgg19>alexnet") }}'
    document = document_of(tmp_path, text)
    first, second = document.claims
    assert (first.first, first.second, first.dataset, first.on) == ("AlexNet", "ResNet-50", "digits", "train accuracy")
    (alexnet,), (resnet,) = (rights(document.lab, name, "train", "2_2") for name in ("alexnet", "resnet50"))
    assert first.difference.value == pytest.approx(alexnet.mean() - resnet.mean())
    assert "in training accuracy on Digits, p" in first_prose(document).markdown
    assert (second.dataset, second.elsewhere) == ("clothes", "")


def test_top_5_needs_more_than_five_classes(tmp_path: Path) -> None:
    text = '{{ claim("vgg19 > alexnet", on="test top-5 accuracy") }}'
    assert "says nothing of so few classes" in problem_of(tmp_path, text).what
    document = document_of(tmp_path / "many", text, classes=CLASSES)
    assert "in top-5 accuracy, p" in first_prose(document).markdown


def test_the_page_marks_claims_and_their_numbers(tmp_path: Path) -> None:
    document = document_of(tmp_path, '**{{ claim("vgg19 < alexnet") }}** {{ claim("vgg19 > resnet50") }}')
    page = markup(document)
    marked = page.select("span.claim")
    assert [one["class"] for one in marked] == [["claim", "contradicted"], ["claim", "not-distinguishable"]]
    assert [one.get_text() for one in page.select("span.claim > span.verdict")] == [
        "contradicted",
        "not distinguishable",
    ]
    gap, p = marked[0].select("data.q")
    assert float(str(gap["value"])) == document.claims[0].difference.value
    assert gap["data-how"] == "Difference of accuracies on the same images, Bonett and Price interval"
    assert p["data-how"] == "Exact McNemar test, corrected by Holm"
    assert len(str(gap["data-runs"]).split()) == 2
    assert page.select("strong > span.claim")
    assert BeautifulSoup(first_prose(document).print, "html.parser").select("data") == []


def test_the_numbers_of_claims_are_recorded_and_stand_in_their_paragraphs(tmp_path: Path) -> None:
    document = document_of(tmp_path, 'Before {{ accuracy }}.\n\nSo {{ claim("vgg19 > alexnet") }}.')
    names = [printed.name for printed in document.printed if printed.section == "activity-07"]
    assert {"accuracy", "claim.1.difference", "claim.1.p"} <= set(names)
    _, paragraph = document.section("activity-07").paragraphs
    assert [one.name for one in paragraph.printed] == ["claim.1.difference", "claim.1.p"]
    assert paragraph.text.startswith("So VGG-19 is ahead of AlexNet by 77.5")


def test_claims_are_worded_in_spanish(tmp_path: Path) -> None:
    text = (
        '{{ claim("alexnet > vgg19", dataset="clothes") }}\n\n{{ claim("resnet50 > vgg19", on="validation accuracy") }}'
    )
    document = document_of(tmp_path, text, language="es")
    first, second = first_prose(document).markdown.split("\n\n")
    assert first.startswith("VGG-19 supera a AlexNet por ") and first.endswith(
        ": contradicho (se afirmaba que AlexNet es mejor)"
    )
    assert "en exactitud de validación, p = " in second and second.endswith(": no se distinguen")
    assert "(corregido por 2 comparaciones)" in second
    assert all(translated(how) for how in (
        document.claims[0].adjusted.how, document.claims[0].difference.how,
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("call", "what", "expected", "hint"),
    [
        ('"resnet5 > vgg19"', "a network that does not exist", "alexnet, vgg19, resnet50", "resnet50"),
        ('"resnet50 = vgg19"', "compares two networks with > or <", "resnet50 > vgg19", "resnet50 > vgg19"),
        ('"vgg19 > vgg19"', "compares a network with itself", None, None),
        ('"resnet50 > vgg19", on="test acuracy"', "a measure that does not exist", "test accuracy", "test accuracy"),
        ('"resnet50 > alexnet", dataset="clothe"', "a data set without runs", "clothes, digits", "clothes"),
        ('"vgg19 > alexnet", dataset="digits"', "no run on digits", "alexnet, resnet50", None),
    ],
)
def test_mistakes_name_the_line_and_the_nearest_name(
    tmp_path: Path, call: str, what: str, expected: str | None, hint: str | None
) -> None:
    problem = problem_of(tmp_path, f"One.\n\nTwo\n{{{{ claim({call}) }}}}.")
    assert what in problem.what
    assert str(problem.where).endswith("activity-07.md.j2, line 4")
    assert (expected or "") in (problem.expected or "")
    assert problem.hint == (f"did you mean “{hint}”?" if hint else None)


def test_a_section_without_a_data_set_has_to_name_one(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, '{{ claim("vgg19 > alexnet") }}', key="introduction")
    assert "say dataset=" in problem.what and problem.expected == "clothes, digits"
    document = document_of(tmp_path / "named", '{{ claim("vgg19 > alexnet", dataset="clothes") }}', key="introduction")
    assert "on Clothes, p" in first_prose(document, "introduction").markdown


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_verdicts_can_be_read_in_light_in_dark_and_on_paper() -> None:
    style = (templates_dir() / "style" / "common.css").read_text(encoding="utf-8")
    used = dict(re.findall(r"^\.claim[^{]*\{[^}]*color: var\(--(\w+), (#\w{6})\)", style, flags=re.MULTILINE))
    assert set(used) == {"muted", "good", "bad"}
    for name, printed in used.items():
        for colour, paper in (*zip(COLOURS[name], COLOURS["paper"], strict=True), (printed, "#ffffff")):
            light, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, colour)
