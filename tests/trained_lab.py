"""A tiny lab on photographs, trained for real once for all tests that need one: about a minute."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from tests.command import cnnlab, write_images

LAB = """
    [lab]
    title = "Formas"
    authors = ["Ana"]
    [datasets.shapes]
    reader = "folder"
    path = "shapes"
    image_size = 32
    split = { train = 0.6, validation = 0.2, test = 0.2 }
    stand_in_for = "mini-ImageNet"
    [datasets.tones]
    reader = "folder"
    path = "tones"
    image_size = 32
    split = { train = 0.6, validation = 0.2, test = 0.2 }
    [networks.alexnet]
    dense_units = 32
    [recipes.short]
    optimizer = "adam"
    learning_rate = 0.001
    epochs = 10
    batch_size = 6
    [[runs]]
    dataset = "shapes"
    networks = ["alexnet"]
    recipe = "short"
    [[runs]]
    dataset = "tones"
    networks = ["alexnet"]
    recipe = "short"
    [report]
    part_2_1 = "shapes"
    part_2_2 = "tones"
"""


SECRET = "secret-of-the-environment"


def train_lab(folder: Path) -> Path:
    """Write the lab and its images into `folder` and run it."""
    write_images(folder / "shapes")
    write_images(folder / "tones", classes=("bright", "dark"))
    (folder / "shapes.toml").write_text(textwrap.dedent(LAB))
    result = cnnlab("run", "shapes.toml", cwd=folder, SOME_TOKEN=SECRET)
    assert result.returncode == 0, result.stderr
    said = result.stderr.splitlines()
    assert "trained 2 run(s)" in said and said[-1] == "open:" and "writing the report into out/shapes" in said
    assert re.fullmatch(r"alexnet on shapes: test \d+\.\d% \(\d+\.\d–\d+\.\d\), 12 images", said[-4])
    assert result.stdout.split() == [f"out/shapes/report.{kind}" for kind in ("html", "pdf", "ipynb", "json")]
    assert "oneDNN" not in result.stderr
    return folder
