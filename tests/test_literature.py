"""Published facts: exactly the published figures, each with source and protocol, printed with their own decimals."""

from __future__ import annotations

import re

import pytest

from cnnlab.networks import find_network, network_names
from cnnlab.paths import templates_dir
from report.activities.comparison import printed_error
from report.data.literature import _FILE, REFERENCES, dataset_reference
from report.evidence.language import Language
from tests.command import translated

PUBLISHED = {
    ("alexnet", "krizhevsky2012"): [(40.7, 18.2), (38.1, 16.4)],
    ("vgg19", "simonyan2015"): [(25.5, 8.0), (24.8, 7.5), (24.4, 7.1)],
    ("vgg19", "chollet2015"): [(28.7, 10.0)],  # keras.io has accuracies of 71.3 and 90.0
    ("resnet50", "he2016"): [(22.85, 6.71)],
    ("resnet50", "chollet2015"): [(25.1, 7.9)],  # 74.9 and 92.1
}


def test_results_are_the_published_ones() -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name in network_names():
        for result in find_network(name).PUBLISHED:
            found.setdefault((name, result.reference), []).append((result.top1_error, result.top5_error))
            assert result.protocol and translated(result.protocol)
    assert found == PUBLISHED


@pytest.mark.parametrize(
    ("key", "named"),
    [("he2016", "He et al. 2016"), ("simonyan2015", "Simonyan & Zisserman 2015"), ("chollet2015", "keras.io")],
)
def test_a_source_has_a_short_name(key: str, named: str) -> None:
    assert REFERENCES[key].named == named


@pytest.mark.parametrize(("percent", "printed"), [(22.85, "22.85%"), (6.71, "6.71%"), (40.7, "40.7%"), (8.0, "8.0%")])
def test_errors_keep_the_decimals_of_their_source(percent: float, printed: str) -> None:
    assert Language("en").quantity(printed_error(percent)) == printed


@pytest.mark.parametrize("key", ["he2016", "krizhevsky2012", "simonyan2015", "zhou2014", "vinyals2016"])
def test_the_assignments_own_bibliography_is_cited_in_any_report(key: str) -> None:
    always = ("introduction", "comparison")
    for code in ("es", "en"):
        text = "".join((templates_dir() / "commentary" / code / f"{name}.md.j2").read_text("utf-8") for name in always)
        assert f'cite("{key}")' in text


def test_whatever_is_cited_is_in_the_bibliography_and_the_reverse() -> None:
    texts = [path.read_text("utf-8") for path in (templates_dir() / "commentary").rglob("*.j2")]
    cited = {key for text in texts for key in re.findall(r'cite\("(\w+)"\)', text)}
    assert cited | set(_FILE["datasets"].values()) == set(REFERENCES)


def test_references_are_complete() -> None:
    for key, reference in REFERENCES.items():
        assert reference.authors and reference.title and reference.venue
        assert key.endswith(str(reference.year))


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Fashion-MNIST", "xiao2017"),
        ("MNIST (5.000 dígitos)", "lecun1998"),
        ("mini-ImageNet", "vinyals2016"),
        ("Places-25", "zhou2014"),
        ("Sign Language Digits", ""),
    ],
)
def test_data_sets_name_who_published_them(title: str, key: str) -> None:
    assert dataset_reference(title) == key
