"""Results that are as bad, as good or as few as they can be end in a report that says so, or in one clear error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import StoreError
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.build import build_report
from report.checks.audit import audit
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.rubric import template_folders
from report.evidence.language import Language
from report.notebook.writer import CellWriter
from report.render.html import render_html
from tests.command import called, write_images
from tests.fabricate import write_store
from tests.faults.records import Arrays, forge, forge_arrays, forge_bytes, forge_json, forge_predictions

NAN, INF = math.nan, math.inf
BAD_WORDS = re.compile(r"\b(?:nan|NaN|inf|Undefined)\b")
BOTH = ("clothes", "digits")
SMALL: Mapping[str, Any] = {"networks": {"clothes": ["alexnet", "vgg19"], "digits": ["alexnet"]}}


def put(predicted: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[RunStore], None]:
    """Every network is certain of the class that `predicted` gives for (labels, classes)."""

    def change(arrays: Arrays) -> None:
        for split in ("train", "validation", "test"):
            probabilities, labels = arrays[f"{split}_probabilities"], arrays[f"{split}_labels"]
            probabilities[:] = 0
            probabilities[np.arange(len(labels)), predicted(labels, probabilities.shape[1])] = 1

    return lambda store: forge_predictions(store, change)


def undecided(arrays: Arrays) -> None:
    for split in ("train", "validation", "test"):
        arrays[f"{split}_probabilities"][:] = 1 / arrays[f"{split}_probabilities"].shape[1]


def without_class(split: str, left: int) -> Callable[[RunStore], None]:
    """No image of class 1 in a split; with `left`, no more than so many images in all."""

    def kept(labels: np.ndarray) -> np.ndarray:
        return (labels != 1) & (np.arange(len(labels)) < left)

    def in_data(arrays: Arrays) -> None:
        arrays[split] = arrays[split][kept(arrays["labels"][arrays[split]])]

    def in_evaluation(folder: Path) -> None:
        keep: list[np.ndarray] = []

        def change(arrays: Arrays) -> None:
            keep.append(kept(arrays[f"{split}_labels"]))
            arrays.update({name: arrays[name][keep[0]] for name in arrays if name.startswith(f"{split}_")})

        forge_arrays(folder / "predictions.npz", change)
        for name in ("exhibits", "attention") if split == "test" else ():
            forge_arrays(
                folder / f"{name}.npz", lambda arrays: arrays.update({k: v[keep[0]] for k, v in arrays.items()})
            )

    def change(store: RunStore) -> None:
        lock = store.read_lab("demo")
        for entry in lock["datasets"].values():
            forge(store, "dataset", entry["record"], lambda folder: forge_arrays(folder / "splits.npz", in_data))
            record = store.read("dataset", entry["record"])
            arrays, classes = record.arrays("splits.npz"), record.json("classes.json")
            for one in classes:
                one[split] = int((arrays["labels"][arrays[split]] == one["index"]).sum())
            forge_json(store, "dataset", entry["record"], "classes.json", classes)
        for entry in lock["runs"]:
            forge(store, "evaluation", entry["evaluation"], in_evaluation)

    return change


def same_answers(store: RunStore) -> None:
    """Every network of a data set answers as its first one does: no difference to test."""
    first: dict[str, bytes] = {}
    for entry in store.read_lab("demo")["runs"]:
        content = store.read("evaluation", entry["evaluation"]).bytes("predictions.npz")
        answers = first.setdefault(entry["dataset"], content)
        forge_bytes(store, "evaluation", entry["evaluation"], "predictions.npz", answers)


def nothing(store: RunStore) -> None:
    """The records as they are."""


WORST: dict[str, Any] = {
    "history": [
        {},
        {"loss": INF, "val_loss": NAN, "running_loss": INF, "accuracy": 0.25, "val_accuracy": 0.25},
        {"loss": NAN, "val_loss": INF, "running_loss": 3e38},
        {"loss": 3e38, "val_loss": 1e25},
    ],
    "resolved": {"epochs_run": 4, "best_epoch": 4},
}


CASES: dict[str, tuple[dict[str, Any], Callable[[RunStore], None]]] = {
    "all of one class": ({}, put(lambda labels, classes: np.ones_like(labels))),
    "all right": ({}, put(lambda labels, classes: labels)),
    "undecided": ({"searches": {"alexnet": {}}}, lambda store: forge_predictions(store, undecided)),
    "equal networks, three seeds": ({"seeds": (0, 1, 2)}, same_answers),
    "losses that are NaN or infinite, folds alike": ({**WORST, "folds": {"alexnet": [0.5, 0.5], "vgg19": [0.4, 0.5]}}, nothing),
    "one epoch, NaN": (
        {
            "history": [{"loss": NAN, "val_loss": NAN}],
            "resolved": {"epochs_run": 1, "best_epoch": 1, "epochs_requested": 1},
        },
        nothing,
    ),
    "two classes, one image of each to test": (
        {"per_class": 4, "classes": {"clothes": ["a", "b"], "digits": ["0", "1"]}}, nothing,
    ),
    "a class absent from test": ({}, without_class("test", 999)),
    "a class absent from validation": ({}, without_class("validation", 999)),
    "one test image": ({}, without_class("test", 1)),
    "baselines of nothing and all, maps and filters of zeros": (
        {
            "insight": {"maps": np.zeros((4, 4))},
            "baselines": {"clothes": {"right": 0.0}, "digits": {"right": 1.0}}},
        nothing,
    ),
    "every training diverged": (
        {"networks": {name: [] for name in BOTH}, "diverged": {"alexnet": "the loss is no longer a number"}}, nothing,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_report_is_made_and_says_no_number_that_is_none(tmp_path: Path, case: str) -> None:
    options, change = CASES[case]
    store = write_store(tmp_path / "runs", language="en", **{**SMALL, **options})
    change(store)
    lab = load_lab("demo", overrides=["lab.language=en"])
    document = assemble(open_lab(store, "demo"), lab, Language("en"))
    audit(document, lab)
    assert len(document.sections) == len({section.key for section in document.sections}) >= 13
    page = render_html(document, "screen", templates=template_folders(lab), cache=tmp_path / "figures")
    dom = BeautifulSoup(page, "html.parser")
    for hidden in dom.select("style, script, pre, svg"):
        hidden.decompose()
    cells = CellWriter(store, lab, document, tmp_path / "out").cells()
    prose = "\n".join(source for kind, source in cells if kind == "markdown")
    assert not BAD_WORDS.findall(dom.get_text()) and not BAD_WORDS.findall(re.sub(r"(?s)````.*?````", "", prose))
    problems = [problem for section in document.sections for problem in section.problems]
    assert any("diverged" in one for one in problems) if case == "every training diverged" else not problems
    if case == "all of one class":  # the PDF as well
        lab = load_lab("demo", overrides=["lab.language=en", "report.rubric=exercises"])
        assert build_report(store, lab, tmp_path / "out", {"pdf"}).paths[0].read_bytes().startswith(b"%PDF-")


def no_numbers(rows: slice) -> Callable[[RunStore], None]:
    return lambda store: forge_predictions(store, lambda arrays: arrays["test_probabilities"].__setitem__(rows, NAN))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (no_numbers(slice(None)), r"AlexNet answers with what is no number[\s\S]*test images[\s\S]*learning rate"),
        (no_numbers(slice(0, 1)), r"AlexNet answers with what is no number[\s\S]*1 of \d+ test images"),
        (without_class("test", 0), "no image of a split"),
    ],
    ids=["no number at all", "one that is none", "no image"],
)
def test_predictions_that_are_none_are_one_clear_error(
    tmp_path: Path, change: Callable[[RunStore], None], error: str
) -> None:
    store = write_store(tmp_path, **SMALL)
    change(store)
    with pytest.raises(StoreError, match=error):
        assemble(open_lab(store, "demo"), load_lab("demo"), Language("es"))


def test_a_number_of_any_size_is_written() -> None:
    spanish = Language("es")
    assert spanish.number(3.4e38, 3) == "3,4\u00a0·\u00a010³⁸" and spanish.number(-1e25) == "\u22121\u00a0·\u00a010²⁵"
    assert spanish.number(999_999_999_999_999) == "999.999.999.999.999"


LAB = """
[lab]
title = "t"
[datasets.d]
reader = "folder"
path = "images"
image_size = 32
split = {{ {split} }}
[recipes.r]
{recipe}
[[runs]]
dataset = "d"
networks = ["alexnet"]
recipe = "r"
[report]
part_2_1 = "d"
"""
USUAL = "train = 0.6, validation = 0.2, test = 0.2"
TOO_FEW = {
    "one image a class": (("a", "b", "c"), 1, USUAL, "", "a class has too few images"),
    "two images in all": (("a", "b"), 1, USUAL, "", "a class has too few images"),
    "a single class": (("a",), 9, USUAL, "", "one class only"),
    "a class absent from a split": (("a", "b"), 3, USUAL, "", "too small for every class"),
    "no test images": (("a", "b"), 9, "train = 0.8, validation = 0.2, test = 0.0", "", "wrong value"),
    "no validation images": (("a", "b"), 9, "train = 0.8, validation = 0, test = 0.2", "", "wrong value"),
    "more than all": (("a", "b"), 9, "train = 0.8, validation = 0.2", "", "more than 1"),
    "a rate of infinity": (("a", "b"), 9, USUAL, "learning_rate = inf", "wrong value"),
    "a rate of NaN": (("a", "b"), 9, USUAL, "learning_rate = nan", "wrong value"),
    "an infinite clip": (("a", "b"), 9, USUAL, "gradient_clip = inf", "wrong value"),
    "no epoch": (("a", "b"), 9, USUAL, "epochs = 0", "wrong value"),
}


@pytest.mark.parametrize("case", TOO_FEW)
def test_too_few_images_are_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    names, each, split, recipe, expected = TOO_FEW[case]
    write_images(tmp_path / "images", classes=names, each=each)
    (tmp_path / "lab.toml").write_text(LAB.format(split=split, recipe=recipe))
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "data"))
    done = called("plan", "lab.toml", cwd=tmp_path)
    checked = called("data", "describe", "lab.toml", cwd=tmp_path) if done.returncode == 0 else done
    assert checked.returncode == 2 and expected in checked.stderr and not (tmp_path / "runs").exists()
