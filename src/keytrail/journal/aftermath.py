"""What stays of lines that left the journal: notes of those delivered, records, refused ones."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.line import to_line
from keytrail.journal.lock import locks, release
from keytrail.journal.records import encode_record
from keytrail.journal.segment import now, private_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DELIVERED: Final = "delivered.ndjson"
REFUSED: Final = "refused"
MAX_DELIVERED_BYTES: Final = 1024 * 1024
RECORDS: Final = "records.ndjson"
MAX_RECORDS_BYTES: Final = 4 * 1024 * 1024
_PATIENCE: Final = 5.0
"""Seconds to wait for another process that writes to the same file."""
MAX_REFUSED_BYTES: Final = 1024 * 1024
"""Per segment; further lines are counted only."""
MAX_REFUSED_BYTES_IN_ALL: Final = 16 * 1024 * 1024
"""Beyond it the oldest files go."""


def note_delivered(home: Path, note: Mapping[str, Any]) -> None:
    """Add ``note`` on what became of a segment to ``delivered.ndjson``.

    Raises:
        OSError: the home cannot be written.

    """
    _append(home / DELIVERED, to_line({"time": now(), **note}), MAX_DELIVERED_BYTES)


def keep_records(home: Path, lines: Sequence[bytes]) -> None:
    """Keep the audit's own records of a segment that goes in ``records.ndjson``.

    Raises:
        OSError: the home cannot be written.

    """
    if lines:
        _append(home / RECORDS, b"".join(lines), MAX_RECORDS_BYTES)


def keep_refused(home: Path, segment: str, lines: Sequence[bytes], **note: Any) -> None:
    """Keep lines that are not delivered under ``refused/<segment>``, behind a record with ``note``.

    Raises:
        OSError: the home cannot be written.

    """
    directory = private_directory(home, REFUSED)
    path = directory / segment
    said = encode_record("refused", now(), attributes={"uses": len(lines), **note})
    room = MAX_REFUSED_BYTES - (path.stat().st_size if path.exists() else 0)
    kept = []
    for line in [said, *lines]:
        room -= len(line)
        if room >= 0:
            kept.append(line)
    if kept:
        _append(path, b"".join(kept))
        _forget_oldest(directory)


def _forget_oldest(directory: Path) -> None:
    sizes = {}
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process has let it go meanwhile
            sizes[path] = path.stat()
    total = sum(found.st_size for found in sizes.values())
    for path in sorted(sizes, key=lambda path: sizes[path].st_mtime_ns):
        if total <= MAX_REFUSED_BYTES_IN_ALL:
            return
        path.unlink(missing_ok=True)
        total -= sizes[path].st_size


def _append(path: Path, data: bytes, most: int | None = None) -> None:
    """Write ``data`` at the end; of a file with more than ``most`` bytes the older half goes."""
    with alone(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if most is not None and size + len(data) > most:
            _shorten(path)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[int]:
    """Open ``path`` for appending and keep the processes that share the home out meanwhile.

    Raises:
        OSError: it cannot be written, or another process has it for too long.

    """
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            if not locks(descriptor, _PATIENCE):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            if os.fstat(descriptor).st_nlink:  # nobody has put another in its place
                yield descriptor
                return
        finally:
            release(descriptor)


def _shorten(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    shorter = path.with_suffix(".shorter")
    shorter.unlink(missing_ok=True)
    _append(shorter, b"".join(lines[len(lines) // 2 :]))
    shorter.replace(path)
