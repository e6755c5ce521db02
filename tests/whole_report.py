"""A report with everything in it, for tests of how it is read: every kind of item, of problem and of record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnlab.lab import Lab, load_lab
from cnnlab.store.store import RunStore
from tests.fabricate import write_store

LAB = """
[lab]
title = "{title}"
authors = ["Ana", "Luis"]
course = "{course}"
language = "{language}"
[style]
logo = "logo.svg"
student_id = "20-7"
[datasets.clothes]
reader = "folder"
path = "clothes"
[datasets.digits]
reader = "folder"
path = "digits"
[recipes.r]
[[runs]]
dataset = "clothes"
networks = ["alexnet", "vgg19"]
recipe = "r"
[[runs]]
dataset = "digits"
networks = ["resnet50"]
recipe = "r"
[report]
part_2_1 = "clothes"
part_2_2 = "digits"
"""
TITLES = {
    "es": ("Redes convolucionales", "Aprendizaje automático"),
    "en": ("Convolutional networks", "Machine learning"),
}
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3"><path d="M0 0h9v3z"/></svg>'


EVERY_KIND: dict[str, Any] = {
    "folds": {"alexnet": [0.5, 0.6, None]},
    "searches": {"vgg19": {}},
    "test_uses": 9,
    "sanity": {
        "classes": 4, "ln_classes": 1.386, "initial_loss": 1.4,
        "overfit": {"images": 8, "loss": 0.1, "loss_before": 1.4, "steps": 30},
    },
    "diverged": {"resnet50": "the loss is no longer a number"},
    "time": {"predicted_seconds": 60.0, "seconds": 61.0},
}  # fmt: skip
"""What `write_store` takes for records of every kind."""

NAMES_LAB = """
[lab]
title = "Names"
language = "en"
[datasets.clothes]
reader = "folder"
[datasets.digits]
reader = "folder"
[recipes.r]
epochs = 1
[[runs]]
dataset = "clothes"
networks = ["alexnet", "vgg19", "resnet50"]
recipe = "r"
[[runs]]
dataset = "digits"
networks = ["alexnet", "resnet50"]
recipe = "r"
[report]
part_2_1 = "clothes"
part_2_2 = "digits"
"""
"""A lab of two parts, for records whose names mean something to HTML, Jinja, Markdown, terminals or paths."""


def write_demo(folder: Path) -> RunStore:
    """The records of the lab `demo`, of every kind, with two seeds, below `folder`."""
    return write_store(
        folder / "runs", seeds=(0, 1), leaks={"clothes": [(30, 0, True), (70, 1, False)]}, baselines={"clothes": {}},
        classes={"clothes": ["shirt", "trouser", "coat", "bag"], "digits": ["zero", "one", "two"]},
        networks={"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}, **EVERY_KIND,
    )  # fmt: skip


def write_whole(folder: Path, language: str) -> tuple[RunStore, Lab]:
    """A store of fabricated records, and the lab in this language that they answer, both below `folder`."""
    store = write_store(
        folder / "runs", stem="whole", language=language, networks={"clothes": ["alexnet", "vgg19"], "digits": ["resnet50"]},
        per_class=12, leaks={"clothes": [(9, 0, True), (21, 1, False)]},
        baselines={"clothes": {}}, **EVERY_KIND,
    )  # fmt: skip
    title, course = TITLES[language]
    (folder / "whole.toml").write_text(LAB.format(title=title, course=course, language=language), encoding="utf-8")
    (folder / "logo.svg").write_text(LOGO, encoding="utf-8")
    return store, load_lab(str(folder / "whole.toml"))
