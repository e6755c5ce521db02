"""Whole tables as CSV files: inside the PDF, behind a link of the HTML, and beside both."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from report.document.tokens import printable
from report.evidence.quantity import Attachment, Table

if TYPE_CHECKING:  # the document needs the activities, and these need this module
    from report.document.model import Document

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip

Value = str | int | float | None


def csv_attachment(name: str, head: Sequence[str], rows: Sequence[Sequence[Value]]) -> Attachment:
    """Rows as a CSV file (RFC 4180, comma, decimal point, UTF-8): numbers as they are, None empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([_text(word) for word in head])
    writer.writerows([[_text(value) if isinstance(value, str) else value for value in row] for row in rows])
    return Attachment(name=name, text=stream.getvalue(), rows=len(rows))


def _text(value: str) -> str:
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def attachments(document: Document) -> list[Attachment]:
    """The files of all tables of a document, in order."""
    placed = (piece for section in document.sections for piece in section.items)
    return [one.item.whole for one in placed if isinstance(one.item, Table) and one.item.whole]


def csv_uri(attachment: Attachment) -> str:
    """The file as a `data:` address."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(attachment.text.encode()).decode()}"
