"""Published facts: exactly the published figures, each with source and protocol, printed with their own decimals."""

from __future__ import annotations

import re

import pytest

from cnnlab.paths import templates_dir
from report.activities.comparison import _error
from report.data.literature import DATASET_REFERENCES, IMAGENET_RESULTS, REFERENCES, dataset_reference
from report.evidence.language import Language

PUBLISHED = {
    ("alexnet", "krizhevsky2012"): {(40.7, 18.2), (38.1, 16.4)},
    ("vgg19", "simonyan2015"): {(25.5, 8.0), (24.8, 7.5), (24.4, 7.1)},
    ("resnet50", "he2016"): {(22.85, 6.71)},
    ("vgg19", "chollet2015"): {(28.7, 10.0)},
    ("resnet50", "chollet2015"): {(25.1, 7.9)},
}


def test_results_are_the_published_ones() -> None:
    found: dict[tuple[str, str], set[tuple[float, float]]] = {}
    for result in IMAGENET_RESULTS:
        found.setdefault((result.network, result.reference), set()).add((result.top1_error, result.top5_error))
    assert found == PUBLISHED


def test_keras_accuracies_are_its_own() -> None:
    accuracies = {
        result.network: (round(100 - result.top1_error, 1), round(100 - result.top5_error, 1))
        for result in IMAGENET_RESULTS
        if result.reference == "chollet2015"
    }
    assert accuracies == {"vgg19": (71.3, 90.0), "resnet50": (74.9, 92.1)}


def test_every_protocol_is_said_in_spanish() -> None:
    spanish = Language("es")
    for result in IMAGENET_RESULTS:
        assert result.protocol and spanish.has(result.protocol)


@pytest.mark.parametrize(("percent", "printed"), [(22.85, "22.85%"), (6.71, "6.71%"), (40.7, "40.7%"), (8.0, "8.0%")])
def test_errors_keep_the_decimals_of_their_source(percent: float, printed: str) -> None:
    assert Language("en").quantity(_error(percent)) == printed


@pytest.mark.parametrize("key", ["he2016", "krizhevsky2012", "simonyan2015", "zhou2014", "vinyals2016"])
def test_the_assignments_own_bibliography_is_cited_in_any_report(key: str) -> None:
    always = ("introduction", "comparison")
    for code in ("es", "en"):
        text = "".join((templates_dir() / "commentary" / code / f"{name}.md.j2").read_text("utf-8") for name in always)
        assert f'cite("{key}")' in text


def test_whatever_is_cited_is_in_the_bibliography_and_the_reverse() -> None:
    texts = [path.read_text("utf-8") for path in (templates_dir() / "commentary").rglob("*.j2")]
    cited = {key for text in texts for key in re.findall(r'cite\("(\w+)"\)', text)}
    assert cited | set(DATASET_REFERENCES.values()) == set(REFERENCES)


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
