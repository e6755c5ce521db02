"""The answerers: what can gather the evidence of a section, by the names that a rubric uses for them.

This folder is their registry: a new one is a module whose `ANSWERS` says what it answers, by the name for a rubric,
which is the module's and, where it answers several, a question after a dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from report.activities.common import Answerer as Answerer


def found() -> dict[str, Answerer]:
    """What the modules of this folder answer."""
    modules = [import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__)]
    return {name: answerer for module in modules for name, answerer in getattr(module, "ANSWERS", {}).items()}


ANSWERERS: Mapping[str, Answerer] = found()
