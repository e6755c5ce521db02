"""The notebook as a page: axe finds nothing wrong with it, it asks for nothing, and it keeps to a phone's width."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser

from cnnlab.paths import templates_dir
from report.evidence.language import Language
from report.notebook.page import render_notebook
from tests.watched import HEIGHT, found_by_axe, opened, start_axe

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RECORD = "fashion-mnist-alexnet-s0-" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a notebook with text, a long name, code, a table of pandas' with many columns, a picture and a long line."""
    table = pd.DataFrame(
        {f"a column {name}": [1.5, 2.5] for name in range(12)}, index=pd.Index(["AlexNet", "VGG-19"], name="network")
    )
    shown = [
        {
            "output_type": "display_data",
            "data": {"text/html": table.to_html(), "text/plain": str(table)},
            "metadata": {},
        },
        {
            "output_type": "display_data",
            "data": {"image/png": PIXEL},
            "metadata": {"image/png": {"alt": "Accuracy by epoch"}},
        },
        {"output_type": "stream", "text": "wide " * 60},
    ]
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "markdown",
            "source": f"# A lab\n\n## Runs\n\n### {RECORD}\n\nText with [a link](#Runs) and `{RECORD}`.",
            "metadata": {},
        },
        {
            "cell_type": "code",
            "source": "import keras  # a comment\nprint(f'{1 + 2}')",
            "execution_count": 1,
            "outputs": shown,
            "metadata": {},
        },
    ]
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "report.ipynb").write_text(json.dumps({"cells": cells, "metadata": {"title": "A lab"}}))
    text = render_notebook(folder / "report.ipynb", Language("en"), templates=[templates_dir()])
    (folder / "report-notebook.html").write_text(text, encoding="utf-8")
    return folder / "report-notebook.html"


@pytest.mark.parametrize("width", [1440, 390])
def test_the_notebook_page_is_accessible_and_asks_for_nothing(browser: Browser, notebook: Path, width: int) -> None:
    watched = opened(browser, notebook.as_uri())
    watched.page.set_viewport_size({"width": width, "height": HEIGHT})
    start_axe(watched.page)
    assert found_by_axe(watched.page) == []
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    assert [one for one in watched.asked if not one.startswith("data:")] == [notebook.as_uri()] and watched.said == []
    watched.page.context.close()
