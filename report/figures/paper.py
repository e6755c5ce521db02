"""A chart's SVG with a third of its elements: drawn the same, laid out on paper in less time.

matplotlib wraps every mark in groups and repeats it by reference, which WeasyPrint pays for one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

VERSION = 1
"""Bumped when the same drawing would be written otherwise."""

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_EVERYTHING = re.compile(r"\*\s*\{([^{}]*)\}")
_STILL = re.compile(r"rotate\(-?0( [^)]*)?\)")
_PRESENTATION = {
    "clip-path", "fill", "fill-opacity", "font-family", "font-size", "font-style", "font-weight", "image-rendering",
    "opacity", "stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor",
}  # fmt: skip
"""Properties that are attributes of SVG too."""


def for_paper(drawing: str) -> str:
    """The drawing, an `<svg>` as matplotlib writes them, without groups that only carry a name and without references.

    What it does not know stays as it is.
    """
    root = ElementTree.fromstring(drawing)
    shapes = {str(one.get("id")): one for one in root.iter(f"{{{_SVG}}}path") if one.get("id")}
    lean = ElementTree.Element(root.tag, {**_shared(root), **root.attrib})
    kept = ElementTree.Element(f"{{{_SVG}}}defs")
    for child in root:
        _add(child, lean, kept, shapes)
    _into(lean, kept)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(lean, encoding="unicode")


def _shared(root: ElementTree.Element) -> dict[str, str]:
    """What the style sheet says of every element, which each then inherits."""
    rules = (_EVERYTHING.fullmatch((style.text or "").strip()) for style in root.iter(f"{{{_SVG}}}style"))
    return {key: value for rule in rules if rule for key, value in _declared(rule[1]).items()}


def _add(
    element: ElementTree.Element,
    parent: ElementTree.Element,
    kept: ElementTree.Element,
    shapes: Mapping[str, ElementTree.Element],
) -> None:
    kind = element.tag.removeprefix(f"{{{_SVG}}}")
    if kind == "defs":
        kept.extend(child for child in element if not _spelt_out(child))
    elif kind == "g" and not set(element.attrib) - {"id"}:
        for child in element:
            _add(child, parent, kept, shapes)
    elif kind == "use" and str(element.get(_HREF))[1:] in shapes:
        _draw(_placed(element, shapes[str(element.get(_HREF))[1:]]), parent)
    elif kind == "path":
        _draw(element, parent)
    else:
        own = ElementTree.SubElement(parent, element.tag, _plain(element))
        own.text, own.tail = element.text, None
        for child in element:
            _add(child, own, kept, shapes)
            if kind == "text" and len(own):
                own[-1].tail = child.tail


def _spelt_out(element: ElementTree.Element) -> bool:
    """Whether a definition is needed no longer: a mark that each place has now, or the rule that the root has."""
    if element.tag == f"{{{_SVG}}}style":
        return bool(_EVERYTHING.fullmatch((element.text or "").strip()))
    return element.tag == f"{{{_SVG}}}path"


def _placed(use: ElementTree.Element, shape: ElementTree.Element) -> ElementTree.Element:
    """The path that a reference draws."""
    attributes = {key: value for key, value in _plain(use).items() if key not in (_HREF, "x", "y")}
    move = f"translate({use.get('x', '0')} {use.get('y', '0')})"
    own = _plain(shape)
    own["transform"] = f"{move} {own['transform']}" if "transform" in own else move
    return ElementTree.Element(shape.tag, {**attributes, **own})


def _draw(path: ElementTree.Element, parent: ElementTree.Element) -> None:
    attributes = _plain(path)
    filled, drawn = attributes.get("fill") != "none", attributes.get("stroke", "none") != "none"
    if not filled and not drawn:
        return
    if "opacity" in attributes and "fill-opacity" not in attributes and not drawn:
        attributes["fill-opacity"] = attributes.pop("opacity")  # the same, without a layer of its own
    ElementTree.SubElement(parent, path.tag, attributes)


def _plain(element: ElementTree.Element) -> dict[str, str]:
    """An element's attributes, with those of its style among them, without its name and without turns by nothing."""
    attributes = {key: value for key, value in element.attrib.items() if key != "id"}
    declared = _declared(attributes.get("style", ""))
    if set(declared) <= _PRESENTATION:
        attributes = {key: value for key, value in attributes.items() if key != "style"} | declared
    if _STILL.fullmatch(attributes.get("transform", "")):
        del attributes["transform"]
    return attributes


def _declared(style: str) -> dict[str, str]:
    pairs = (one.partition(":") for one in style.split(";") if one.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _into(lean: ElementTree.Element, kept: ElementTree.Element) -> None:
    """Put definitions after the title, where there are any."""
    if len(kept):
        first = 1 if len(lean) and lean[0].tag == f"{{{_SVG}}}title" else 0
        lean.insert(first, kept)
