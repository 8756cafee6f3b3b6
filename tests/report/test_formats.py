from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from keytrail.questions import Answer
from keytrail.report import Format, write
from keytrail.sources import Completeness
from store.segment_kit import SECOND, T0

_WORTH = Completeness(worth="bounded", begins=T0, ends=T0 + SECOND, reasons=("a reason",))
_WORTH_JSON = {
    "worth": "bounded",
    "from": "2025-11-25T18:00:00.000000000Z",
    "to": "2025-11-25T18:00:01.000000000Z",
    "reasons": ["a reason"],
}
_HOSTILE = [
    "plain",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    'a,"b"\r\nc',
    "\x1b[31m\u202e\0",
    "\N{SNOWMAN}",
    "",
]


def _written(form: Format, *rows: tuple[Any, ...], columns: tuple[str, ...]) -> tuple[str, str]:
    data, talk = io.StringIO(newline=""), io.StringIO()
    write(Answer({"name": "uses"}, columns, iter(rows), _WORTH), form, data, talk)
    return data.getvalue(), talk.getvalue()


def test_json_is_one_object() -> None:
    """Question, rows and completeness, times in RFC 3339 with nanoseconds."""
    columns = ("time", "key", "status", "findings", "sampled")
    rows = [(T0 + 1, "ab", 200, ["weak"], True), (T0, None, None, [], None)]
    data, talk = _written("json", *rows, columns=columns)
    assert talk == ""
    assert json.loads(data) == {
        "question": {"name": "uses"},
        "rows": [
            {
                "time": "2025-11-25T18:00:00.000000001Z",
                "key": "ab",
                "status": 200,
                "findings": ["weak"],
                "sampled": True,
            },
            {
                "time": "2025-11-25T18:00:00.000000000Z",
                "key": None,
                "status": None,
                "findings": [],
                "sampled": None,
            },
        ],
        "completeness": _WORTH_JSON,
    }


def test_json_without_rows_is_still_whole() -> None:
    """An empty answer parses as one with rows does."""
    data, _ = _written("json", columns=("key",))
    assert json.loads(data)["rows"] == []


def test_ndjson_is_a_row_a_line() -> None:
    """Rows on stdout, the completeness as the last line of stderr."""
    data, talk = _written("ndjson", ("ab", T0), ("cd", T0), columns=("key", "last_use"))
    assert [json.loads(line) for line in data.splitlines()] == [
        {"key": "ab", "last_use": "2025-11-25T18:00:00.000000000Z"},
        {"key": "cd", "last_use": "2025-11-25T18:00:00.000000000Z"},
    ]
    assert json.loads(talk) == {"completeness": _WORTH_JSON}


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_hostile_text_survives_json(form: Format) -> None:
    """What was recorded comes out equal, in ASCII that a terminal does not obey."""
    data, _ = _written(form, *((text,) for text in _HOSTILE), columns=("path",))
    rows = json.loads(data)["rows"] if form == "json" else map(json.loads, data.splitlines())
    assert [row["path"] for row in rows] == _HOSTILE
    assert data.replace("\n", "").isprintable()


def test_csv_is_rfc_4180() -> None:
    """A header, CRLF, empty cells for nothing, blanks between findings."""
    data, talk = _written(
        "csv",
        ("ab", 200, ["weak", "redirected"], True, 0.5, 'a,"b"\r\nc'),
        (None, None, [], None, None, None),
        columns=("key", "status", "findings", "sampled", "duration", "path"),
    )
    assert data == (
        "key,status,findings,sampled,duration,path\r\n"
        'ab,200,weak redirected,true,0.5,"a,""b""\\r\\nc"\r\n'
        ",,,,,\r\n"
    )
    assert json.loads(talk) == {"completeness": _WORTH_JSON}


def test_csv_holds_no_formula_and_no_control_character() -> None:
    """Text that a spreadsheet would run gets an apostrophe before it; a row is a line."""
    data, _ = _written("csv", *((text,) for text in _HOSTILE), columns=("path",))
    cells = [row[0] for row in csv.reader(io.StringIO(data, newline="")) if row][1:]
    assert cells == [
        *("plain", "'=1+1", "'+1", "'-1", "'@SUM(A1)", r"\t=1", r'a,"b"\r\nc'),
        *(r"\x1b[31m\u202e\x00", "\N{SNOWMAN}", ""),
    ]
