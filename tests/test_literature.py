"""Published facts: exactly the published figures, each with source and protocol, printed with their own decimals."""

from __future__ import annotations

import re

from cnnlab.networks import find_network, network_names
from cnnlab.paths import templates_dir
from report.activities.comparison import printed_error
from report.data.literature import REFERENCES, dataset_reference
from report.evidence.language import Language
from tests.command import translated

PUBLISHED = {
    ("alexnet", "krizhevsky2012"): [(40.7, 18.2), (38.1, 16.4)],
    ("vgg19", "simonyan2015"): [(25.5, 8.0), (24.8, 7.5), (24.4, 7.1)],
    ("vgg19", "chollet2015"): [(28.7, 10.0)],  # keras.io has accuracies of 71.3 and 90.0
    ("resnet50", "he2016"): [(22.85, 6.71)],
    ("resnet50", "chollet2015"): [(25.1, 7.9)],  # 74.9 and 92.1
}
DATASETS = {
    "Fashion-MNIST": "xiao2017", "MNIST (5.000 dígitos)": "lecun1998", "mini-ImageNet": "vinyals2016",
    "Places-25": "zhou2014", "Sign Language Digits": "",
}  # fmt: skip


def test_results_are_the_published_ones_with_the_decimals_of_their_source() -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name in network_names():
        for result in find_network(name).PUBLISHED:
            found.setdefault((name, result.reference), []).append((result.top1_error, result.top5_error))
            assert result.protocol and translated(result.protocol)
    assert found == PUBLISHED
    for percent, printed in ((22.85, "22.85%"), (6.71, "6.71%"), (40.7, "40.7%"), (8.0, "8.0%")):
        assert Language("en").quantity(printed_error(percent)) == printed


def test_references_are_complete_and_have_a_short_name() -> None:
    for key, reference in REFERENCES.items():
        assert reference.authors and reference.title and reference.venue and key.endswith(str(reference.year))
    assert {key: REFERENCES[key].named for key in ("he2016", "simonyan2015", "chollet2015")} == {
        "he2016": "He et al. 2016", "simonyan2015": "Simonyan & Zisserman 2015", "chollet2015": "keras.io",
    }  # fmt: skip


def test_whatever_is_cited_is_in_the_bibliography_and_the_reverse_in_each_language() -> None:
    folder = templates_dir() / "commentary"
    for code in ("es", "en"):
        texts = {path.name: path.read_text("utf-8") for path in (folder / code).rglob("*.j2")}
        cited = {name: set(re.findall(r'cite\("(\w+)"\)', text)) for name, text in texts.items()}
        assert set().union(*cited.values(), filter(None, DATASETS.values())) == set(REFERENCES)
        # the assignment's own bibliography, in any report
        always = cited["introduction.md.j2"] | cited["comparison.md.j2"]
        assert always >= {"he2016", "krizhevsky2012", "simonyan2015", "zhou2014", "vinyals2016"}


def test_data_sets_name_who_published_them() -> None:
    assert {title: dataset_reference(title) for title in DATASETS} == DATASETS
