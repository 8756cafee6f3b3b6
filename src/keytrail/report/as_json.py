"""An answer as one JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from keytrail.report.values import record, worth

if TYPE_CHECKING:
    from keytrail.questions.answer import Answer, Table


def write(answer: Answer, data: TextIO, _talk: TextIO) -> None:
    """Write question, rows and completeness to ``data``, one row a line."""
    data.write(f'{{"question": {json.dumps(answer.question)}, "rows": [')
    between = "\n"
    for row in answer.rows:
        data.write(between + json.dumps(record(answer.columns, row)))
        between = ",\n"
    data.write("]")
    if answer.tables:
        data.write(f', "tables": {json.dumps({one.name: _records(one) for one in answer.tables})}')
    data.write(f', "completeness": {json.dumps(worth(answer.completeness))}}}\n')


def _records(table: Table) -> list[dict[str, object]]:
    return [record(table.columns, row) for row in table.rows]
