"""An answer as JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from keytrail.report.values import record, worth

if TYPE_CHECKING:
    from keytrail.questions.answer import Answer


def write(answer: Answer, data: TextIO, talk: TextIO) -> None:
    """Write one row a line to ``data`` and the completeness as the last line of ``talk``."""
    data.writelines(json.dumps(record(answer.columns, row)) + "\n" for row in answer.rows)
    data.flush()
    talk.write(json.dumps({"completeness": worth(answer.completeness)}) + "\n")
