"""Answers as text: a table for people; JSON, NDJSON, CSV and OCSF for programs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from keytrail.questions.answer import Answer

Format = Literal["table", "json", "csv", "ndjson", "ocsf"]


def write(answer: Answer, form: Format, data: TextIO, talk: TextIO) -> None:
    """Write the rows to ``data`` as they come; what the form has no place for goes to ``talk``."""
    # Rich, which draws tables, takes longer to import than many an answer to find.
    import_module(f"keytrail.report.as_{form}").write(answer, data, talk)
