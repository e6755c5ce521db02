"""Colours that can be told apart, stable styles, drawings that are cached, deterministic and safe to put into a page."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cnnlab.style import contrast
from report.evidence.quantity import Figure
from report.figures.confusion import tint
from report.figures.distribution import class_distribution
from report.figures.svg import drawing_key, drawn, svg
from report.figures.theme import COLOURS, FIRST, PRINT, SCREEN, STYLES, clean, network_style, network_title, screen_css
from tests.figure_samples import ODD_NAMES, SPANISH, samples

FIGURES = samples(SPANISH)
MACHADO = {  # Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB; grey is luminance
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb.clip(0, 1)
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("mode", [0, 1])
def test_lines_and_text_stand_out(mode: int) -> None:
    paper = COLOURS["paper"][mode]
    for name in ("rule", "heat"):
        assert contrast(COLOURS[name][mode], paper) >= 3, name
    # The names of networks stand in their colours at the ends of their lines.
    series, edges = (f"series-{index}" for index in range(1, 9)), ("pool-edge", "dense-edge", "conv-edge")
    for name in (*series, *edges, "ink", "muted", "good", "bad"):
        assert contrast(COLOURS[name][mode], paper) >= 4.5, name


def test_text_in_cells_stands_out() -> None:
    """At every share, the digits of a confusion matrix on their tint of either mode."""
    for mode, share in itertools.product((0, 1), np.linspace(0.01, 1, 100)):
        opacity = tint(float(share))
        paper, heat = (np.array([int(COLOURS[c][mode][i : i + 2], 16) for i in (1, 3, 5)]) for c in ("paper", "heat"))
        cell = "#" + "".join(f"{round(v):02x}" for v in paper + opacity * (heat - paper))
        text = COLOURS["on-heat" if share > 0.5 else "ink"][mode]
        assert contrast(text, cell) >= 4.5, (mode, share)


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """Difference of two colours in CIELAB (Sharma, Wu & Dalal 2005)."""
    chroma = (math.hypot(*one[1:]) + math.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    (c1, h1), (c2, h2) = (
        (math.hypot(stretch * a, b), math.degrees(math.atan2(b, stretch * a)) % 360) for _, a, b in (one, other)
    )
    light, chroma = (one[0] + other[0]) / 2, (c1 + c2) / 2
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0
    hue = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    cosines = ((0.17, 1, -30), (-0.24, 2, 0), (-0.32, 3, 6), (0.2, 4, -63))
    t = 1 - sum(weight * math.cos(math.radians(times * hue + by)) for weight, times, by in cosines)
    lightness = (other[0] - one[0]) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    colourfulness = (c2 - c1) / (1 + 0.045 * chroma)
    tone = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    around = math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * around
    return math.sqrt(lightness**2 + colourfulness**2 + tone**2 + rotation * colourfulness * tone)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize(
    ("vision", "networks", "least"),  # 2 can just be seen; grey tells only the first three apart
    [*((vision, 8, 10) for vision in MACHADO if vision != "grey"), *((vision, 3, 11) for vision in MACHADO if vision != "grey"),
     ("grey", 3, 6.9)],
)  # fmt: skip
def test_networks_are_told_apart_by_colour(vision: str, networks: int, least: float, mode: int) -> None:
    colours = [
        lab(np.array(MACHADO[vision]) @ linear(COLOURS[f"series-{index}"][mode])) for index in range(1, networks + 1)
    ]
    assert min(ciede2000(a, b) for a, b in itertools.combinations(colours, 2)) > least


def test_eight_networks_are_told_apart_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """What grey cannot show for all of eight, dash and marker do, each by itself."""
    names = ("alexnet", "vgg19", "resnet50", "lenet", "mobilenet", "squeezenet", "inception", "densenet")
    monkeypatch.setattr("report.figures.theme.network_names", lambda: names)
    styles = [network_style(name) for name in names]
    assert len(styles) == 8
    assert {style.colour for style in styles} == {f"series-{index}" for index in range(1, 9)}
    assert len({style.dash for style in styles}) == len({style.marker for style in styles}) == 8


def test_an_unknown_network_has_a_stable_style_of_its_own() -> None:
    style = network_style("mobilenet")
    assert style == network_style("mobilenet") and style not in STYLES[: len(FIRST)]
    assert (network_title("mobilenet"), network_title("vgg19")) == ("mobilenet", "VGG-19")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\tb\n c\x00d", "a b c d"), ("lone \udc80", "lone \N{REPLACEMENT CHARACTER}"), ("x" * 50, "x" * 39 + "…"),
     ("قطة سوداء", "قطة سوداء")],
)  # fmt: skip
def test_names_are_made_fit_for_a_line_of_xml(name: str, shown: str) -> None:
    assert clean(name) == shown


def test_colours_are_properties_on_screen_and_plain_on_paper() -> None:
    light = [colours[0] for colours in COLOURS.values()]
    assert len(set(light)) == len(light)  # by which they are found in a drawing
    assert "--series-1:#13427f;" in screen_css()
    assert "--series-1:#6a9bf4;" in screen_css().partition("prefers-color-scheme: dark")[2]
    screen, paper = svg(FIGURES["accuracy-8"], SCREEN), svg(FIGURES["accuracy-8"], PRINT)
    assert "var(--series-1,#13427f)" in screen and "var(" not in paper and "#13427f" in paper
    assert set(re.findall(r"#[0-9a-f]{6}\b", screen)) <= {*light, "#000000", "#ffffff"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every figure was drawn for the screen."""
    folder = tmp_path_factory.mktemp("drawings")
    for figure in FIGURES.values():
        drawn(figure, SCREEN, folder)
    return folder


def test_every_figure_is_well_formed_labelled_and_has_ids_of_its_own(folder: Path) -> None:
    ids: list[str] = []
    for figure in FIGURES.values():
        text = drawn(figure, SCREEN, folder)
        root = ElementTree.fromstring(text)
        assert root.get("role") == "img" and root.get("aria-label") == figure.alt
        own = re.findall(r'\sid="([^"]+)"', text)
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def in_another_process(code: str, *arguments: str) -> bytes:
    start = (
        "import sys\nfrom pathlib import Path\nfrom tests.figure_samples import *\nfrom report.figures.svg import *\n"
    )
    start += "from report.figures.theme import PRINT, SCREEN\n"
    command = [sys.executable, "-W", "error", "-c", start + code, *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_a_kept_drawing_needs_no_matplotlib(folder: Path) -> None:
    code = "for figure in samples(SPANISH).values(): drawn(figure, SCREEN, Path(sys.argv[1]))\n"
    in_another_process(code + "assert not {'matplotlib', 'PIL', 'fontTools'} & set(sys.modules)", str(folder))


def test_the_same_figure_gives_the_same_bytes() -> None:
    other = in_another_process("sys.stdout.buffer.write(svg(samples(SPANISH)['confusion-25'], PRINT).encode())")
    assert other.decode() == svg(FIGURES["confusion-25"], PRINT)


ALIKE = ("#13427f", 'id="x"', "$\\alpha$ & <b>")  # a colour, an id, a formula


@pytest.mark.parametrize(
    ("figure", "names"),
    [
        (class_distribution(ALIKE, {"train": [3, 2, 1]}, SPANISH, caption=""), ALIKE),
        *((FIGURES[f"{kind}-25"], [clean(name, 28) for name in ODD_NAMES]) for kind in ("distribution", "classes", "confusion")),
    ],
)  # fmt: skip
def test_names_are_drawn_as_text(figure: Figure, names: Sequence[str]) -> None:
    root = ElementTree.fromstring(svg(figure, SCREEN))
    assert set(names) <= {element.text for element in root.iter() if element.tag.endswith("}text")}


def test_the_key_follows_what_is_drawn() -> None:
    figure = FIGURES["loss-8"]
    changed = [replace(figure, alt="other"), replace(figure, data={**figure.data, "best": 1}), FIGURES["comparison-8"]]
    keys = {drawing_key(figure, PRINT), *(drawing_key(one, SCREEN) for one in (figure, *changed))}
    assert len(keys) == 5
    assert drawing_key(replace(figure, caption="other"), SCREEN) == drawing_key(figure, SCREEN)
    with pytest.raises(ValueError, match="JSON"):
        drawing_key(replace(figure, data=float("nan")), SCREEN)


def test_a_drawing_is_kept_and_a_damaged_one_drawn_again(tmp_path: Path) -> None:
    calls: list[object] = []
    figure = replace(FIGURES["accuracy"], draw=lambda theme: calls.append(theme) or FIGURES["accuracy"].draw(theme))
    first = drawn(figure, SCREEN, tmp_path / "new")
    assert drawn(figure, SCREEN, tmp_path / "new") == first and len(calls) == 1
    (path,) = (tmp_path / "new").iterdir()
    content = path.read_bytes()
    for damage in (b"", content[:-100], content.replace(b"text", b"tixt"), b"\xff\xfe"):
        path.write_bytes(damage)
        assert drawn(figure, SCREEN, tmp_path / "new") == first
        assert path.read_bytes() == content
    assert len(calls) == 5 and list((tmp_path / "new").iterdir()) == [path]
