"""What stays behind of lines that left the journal: a note of those delivered, the refused ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from keytrail.journal.line import to_line
from keytrail.journal.segment import now, private_directory

if TYPE_CHECKING:
    from pathlib import Path

DELIVERED: Final = "delivered.ndjson"
REFUSED: Final = "refused"
MAX_DELIVERED_BYTES: Final = 1024 * 1024
MAX_REFUSED_BYTES: Final = 1024 * 1024
"""Per segment; further lines that cannot be read are counted only."""


def note_delivered(home: Path, endpoint: str, uses: int, first: int, last: int) -> None:
    """Note in ``delivered.ndjson`` that ``uses`` went to ``endpoint``; times in Unix nanoseconds.

    Beyond :data:`MAX_DELIVERED_BYTES` the older half of the notes goes.

    Raises:
        OSError: the home cannot be written.

    """
    path = home / DELIVERED
    content = {"time": now(), "endpoint": endpoint, "uses": uses, "first": first, "last": last}
    _append(path, to_line(content))
    if path.stat().st_size > MAX_DELIVERED_BYTES:
        lines = path.read_bytes().splitlines(keepends=True)
        shorter = path.with_suffix(".shorter")
        shorter.unlink(missing_ok=True)
        _append(shorter, b"".join(lines[len(lines) // 2 :]))
        shorter.replace(path)


def keep_refused(home: Path, segment: str, line: bytes) -> None:
    """Keep a line that cannot be delivered under ``refused/<segment>``.

    Raises:
        OSError: the home cannot be written.

    """
    path = private_directory(home, REFUSED) / segment
    if not path.exists() or path.stat().st_size + len(line) <= MAX_REFUSED_BYTES:
        _append(path, line)


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
