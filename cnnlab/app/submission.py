"""The name that a course wants a report handed in under, and the copies of the report under it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

from cnnlab.errors import LabError, did_you_mean
from cnnlab.lab import Lab
from cnnlab.store.files import replace_file

OPTION = "--submission-name"
COPIED = ("ipynb", "pdf")
"""Formats that are handed in."""

FIELDS = ("id", "stem", "date")
LONGEST = 120
"""Characters of the name, without its extension."""

_RESERVED = '/\\:*?"<>|'
_OWN = ("report", "report-edited")


def today() -> date:
    """The day that `{date}` stands for: that of `SOURCE_DATE_EPOCH` (UTC) where it is set, so that a build can be repeated.

    Raises:
        LabError: the variable is not a number of seconds.
    """
    chosen = os.environ.get("SOURCE_DATE_EPOCH")
    if not chosen:
        return date.today()
    try:
        return datetime.fromtimestamp(int(chosen), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise LabError(
            "the date is not a number of seconds since 1970",
            where="SOURCE_DATE_EPOCH",
            received=chosen,
            expected="a number, as 1767225600",
        ) from None


def submission_name(template: str, lab: Lab, formats: Collection[str], today: date) -> str:
    """The file name without extension that `template` makes: `{id}` is the lab's student number, `{stem}` its name and
    `{date}` today.

    Raises:
        LabError: a field is unknown or has no value, or the name is not safe as a file's.
    """
    if not set(formats) & set(COPIED):
        raise LabError(
            "there is nothing to copy under that name",
            where=OPTION,
            received=f"--formats {','.join(formats)}",
            expected="ipynb, pdf or both among the formats",
        )
    name = "".join(_filled(template, lab, today))
    if problem := _problem(name):
        raise LabError(
            f"the name {problem}",
            where=OPTION,
            received=repr(name),
            expected='a file name without extension, as "{id}_tarea1"',
        )
    return name


def copy_submission(paths: Sequence[Path], name: str) -> list[Path]:
    """Copy the notebook and the PDF among `paths` under `name`, each into its own folder.

    Returns:
        The copies.

    Raises:
        StoreError: a copy cannot be written.
    """
    copies = []
    for path in paths:
        if path.suffix.removeprefix(".") in COPIED:
            copy = path.with_name(f"{name}{path.suffix}")
            replace_file(copy, path.read_bytes())
            copies.append(copy)
    return copies


def _filled(template: str, lab: Lab, today: date) -> list[str]:
    values = {"id": lab.file.style.student_id, "stem": lab.stem, "date": today.isoformat()}
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as problem:
        raise LabError("the name cannot be read", where=OPTION, received=template, expected=str(problem)) from None
    filled = []
    for text, field, spec, conversion in pieces:
        filled.append(text)
        if field is not None:
            filled.append(_value(field, values, f"{spec or ''}{conversion or ''}"))
    return filled


def _value(field: str, values: dict[str, str | None], extra: str) -> str:
    if field not in values or extra:
        raise LabError(
            "the name has an unknown field",
            where=OPTION,
            received=f"{{{field}}}" if not extra else f"{{{field}}} with a conversion or format",
            expected=", ".join(f"{{{known}}}" for known in FIELDS),
            hint=did_you_mean(field, FIELDS),
        )
    value = values[field]
    if value is None:
        raise LabError(
            "the name asks for {id}, and the lab has no student number",
            where=OPTION,
            hint='add to the lab file: [style] student_id = "…" (or --set style.student_id=…)',
        )
    return value


def _problem(name: str) -> str | None:
    """What keeps `name` from being a file's name on any system; None when nothing does."""
    if not name.strip():
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if found := [sign for sign in name if sign in _RESERVED]:
        return f"holds “{found[0]}”, which separates folders or is reserved"
    if not name.isprintable():
        return "holds characters that do not print"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space, or ends with a dot"
    if name.lower() in _OWN:
        return "is that of the report itself"
    if name.lower().endswith(tuple(f".{one}" for one in COPIED)):
        return "has an extension, which is added by itself"
    return f"is longer than {LONGEST} characters" if len(name) > LONGEST else None
