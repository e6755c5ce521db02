"""What a check of the report found, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["fault", "hint"]
"""A fault makes `cnnlab check` fail; a hint is worth a look."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to mend.

    Attributes:
        kind: what was checked, as "number", "comparison", "claim", "stale", "rubric".
        severity: whether the check fails because of it.
        section: key of the section concerned.
        path, line: the commentary file, and the line in it where there is one to name; None outside a file.
        what: the problem in one sentence.
        suggestion: what to write or to do instead; may be empty.
    """

    kind: str
    severity: Severity
    section: str
    what: str
    path: Path | None = None
    line: int | None = None
    suggestion: str = ""
