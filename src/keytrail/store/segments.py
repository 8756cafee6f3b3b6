"""The segments of a journal: which there are, and what is wrong with one that has broken lines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.journal.lock import is_locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Segments:
    """The live segments of one home, oldest change first."""

    readable: tuple[str, ...]
    unreadable: int
    """Segments that this user may not read, or whose names are not text."""


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with the lines of one segment."""

    bad: int
    """Whole lines that are no record."""
    torn: bool
    """The last line has no end, and nobody writes to the segment any more."""


def find(home: Path) -> Segments:
    """Return the live segments under ``home``; none where the directory does not exist.

    Raises:
        OSError: the journal's directory cannot be listed.
    """
    found = sorted((_changed(entry), entry.path) for entry in _live_files(home / "live"))
    readable = tuple(path for _, path in found if _is_readable(path))
    return Segments(readable=readable, unreadable=len(found) - len(readable))


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _live_files(live: Path) -> Iterator[os.DirEntry[str]]:
    for day in _entries(live):
        if day.is_dir(follow_symlinks=False):
            for entry in _entries(day.path):
                if entry.name.endswith(".ndjson") and entry.is_file(follow_symlinks=False):
                    yield entry


def _entries(directory: str | Path) -> Iterable[os.DirEntry[str]]:
    try:
        return list(os.scandir(directory))
    except FileNotFoundError:
        return ()


def _is_readable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not os.path.exists(path) or os.access(path, os.R_OK)


def inspect(path: str, *, closed: bool = False) -> Flaws:
    """Read one segment line by line and say what is wrong; one that has gone has no flaw.

    ``closed``: it is known that nobody writes to it; else its lock tells.
    """
    bad = 0
    line = b"\n"
    try:
        with open(path, "rb") as segment:
            closed = closed or not is_locked(segment.fileno())  # before a writer can end it
            for line in segment:
                bad += line.endswith(b"\n") and not is_record(line)
            torn = closed and not line.endswith(b"\n") and not is_record(line)
            return Flaws(bad=bad, torn=torn)
    except FileNotFoundError:
        return Flaws(bad=0, torn=False)


def is_record(line: bytes) -> bool:
    """Return whether a line is a use or one of the audit's own records."""
    try:
        record = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and ("record" in record or _is_moment(record.get("time")))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_moment(time: object) -> bool:
    return isinstance(time, int) and abs(time) < 2**63
