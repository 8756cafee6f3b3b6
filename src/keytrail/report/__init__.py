"""Answers as text: a table for people; JSON, NDJSON, CSV and OCSF for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TextIO

from keytrail.report import as_csv, as_json, as_ndjson, as_ocsf, as_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.questions.answer import Answer

Format = Literal["table", "json", "csv", "ndjson", "ocsf"]

_WRITERS: Final[dict[Format, Callable[[Answer, TextIO, TextIO], None]]] = {
    "table": as_table.write,
    "json": as_json.write,
    "csv": as_csv.write,
    "ndjson": as_ndjson.write,
    "ocsf": as_ocsf.write,
}


def write(answer: Answer, form: Format, data: TextIO, talk: TextIO) -> None:
    """Write the rows to ``data`` as they come; what the form has no place for goes to ``talk``."""
    _WRITERS[form](answer, data, talk)
