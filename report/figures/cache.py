"""Drawn figures kept as SVG files, so that a rebuilt report draws nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import StoreError
from report.data.kept import swap_in
from report.figures import paper
from report.figures.theme import Theme, drawing_key, svg

if TYPE_CHECKING:
    from report.evidence.quantity import Figure


def drawn(figure: Figure, theme: Theme, folder: Path) -> str:
    """The figure as an `<svg>` element, from `folder` when it was drawn before.

    A file that is cut or altered is drawn again. A hit imports no matplotlib.

    Raises:
        StoreError: the folder cannot be read or written.
    """
    name = drawing_key(figure, theme)
    if theme.name == "print":
        name += f"-paper-{paper.VERSION}"
    path = folder / f"{name}.svg"
    try:
        cached = _read(path)
        if cached is None:
            cached = svg(figure, theme)
            if theme.name == "print":
                cached = paper.for_paper(cached)
            _write(path, cached)
    except OSError as problem:
        raise StoreError(
            "the drawing of a figure cannot be kept",
            where=problem.filename or path,
            received=problem.strerror,
            hint="remove that folder, free some space, or choose another one with --out",
        ) from None
    return cached


def _read(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, _, body = content.partition(b"\n")
    return body.decode() if hashlib.sha256(body).hexdigest().encode() == digest else None


def _write(path: Path, text: str) -> None:
    body = text.encode()
    swap_in(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
