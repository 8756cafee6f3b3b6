"""Denied uses of keys that never succeeded: kept apart, so that a flood of them loses nothing else.

A *stranger* is an incoming denied use of a key that was never seen to succeed, or of none at all,
and that neither inventory nor application names. Strangers have segments of their own, which make
room first; near the journal's bound they are counted as they come and not written at all. Either
way a ``gap`` record with the reason ``folded`` says how many they were, of which keys, from where.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.records import encode_record
from keytrail.journal.segment import RECORD_START, holds_strangers, segments, whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MAX_KNOWN: Final = 65_536
"""Keys that are remembered to have succeeded."""
MAX_UNFINISHED: Final = 10_000
MAX_TELLINGS: Final = 1000
MAX_TOLD: Final = 20
"""Keys, clients and routes that a folded record names, the most frequent first."""
SECONDS_BETWEEN_RECORDS: Final = 10.0
_SECONDS_BETWEEN_LOOKS: Final = 60.0

_DENIED: Final = b'"outcome":"denied"'
_SUCCESS: Final = b'"outcome":"success"'
_UNKNOWN: Final = b'"outcome":"unknown"'
_INCOMING: Final = b'"direction":"incoming"'
_NAMED: Final = re.compile(rb'"(?:key_name|owner)":"')
_KEY: Final = re.compile(rb'"key":"([0-9a-f]{64})"')
_SPAN: Final = re.compile(rb'"span_id":"([0-9a-f]{16})"')
_TOLD: Final = ("key", "client", "route", "service")


class Strangers:
    """Tells strangers from the others, and counts those that are folded. Used by one thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.begin()

    def begin(self) -> None:
        """Begin anew, as a forked child does."""
        self._known: dict[bytes, None] = {}
        self._unfinished: dict[bytes, None] = {}
        self._read: dict[Path, int] = {}
        self._next_look = 0.0
        self._next_record = 0.0
        self._forget()

    def _forget(self) -> None:
        self._uses = 0
        self._first = self._last = 0
        self._tellings: dict[str, Counter[str]] = {column: Counter() for column in _TOLD}

    def part(self, lines: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Return the lines that are no strangers', and those that are."""
        others: list[bytes] = []
        strangers: list[bytes] = []
        for line in lines:
            if _DENIED in line and self._is_stranger(line):
                strangers.append(line)
                continue
            others.append(line)
            if _SUCCESS in line:
                _remember(self._known, _KEY.search(line), MAX_KNOWN)
            elif _UNKNOWN in line:
                _remember(self._unfinished, _SPAN.search(line), MAX_UNFINISHED)
        return others, strangers

    def _is_stranger(self, line: bytes) -> bool:
        if _INCOMING not in line or _NAMED.search(line):
            return False
        span = _SPAN.search(line)
        if span is not None and span[1] in self._unfinished:
            del self._unfinished[span[1]]
            return False  # its earlier line is with the others, and the later one must follow
        self._look()
        key = _KEY.search(line)
        return key is None or key[1] not in self._known

    def _look(self) -> None:
        """Learn from the journal, once a minute, which keys succeeded elsewhere or before."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        found = [segment.path for segment in segments(self._home)]
        self._read = {path: self._read.get(path, 0) for path in found if not holds_strangers(path)}
        for path in self._read:
            with contextlib.suppress(OSError):
                for begin, line in whole_lines(path, self._read[path]):
                    if _SUCCESS in line:
                        _remember(self._known, _KEY.search(line), MAX_KNOWN)
                    self._read[path] = begin + len(line)

    def fold(self, lines: Sequence[bytes]) -> None:
        """Count uses that are not, or no longer, kept one by one."""
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._count(json.loads(line))

    def _count(self, use: dict[str, Any]) -> None:
        time_ns = int(use["time"])
        self._first = min(self._first, time_ns) if self._uses else time_ns
        self._last = max(self._last, time_ns)
        self._uses += 1
        for column, counter in self._tellings.items():
            told = use.get(column)
            if isinstance(told, str) and (told in counter or len(counter) < MAX_TELLINGS):
                counter[told] += 1

    def fold_segment(self, path: Path, offset: int) -> None:
        """Count the uses of a segment that makes room, from ``offset`` on.

        Raises:
            OSError: it cannot be read.

        """
        with path.open("rb") as file:
            file.seek(offset)
            self.fold([line for line in file if not line.startswith(RECORD_START)])

    @property
    def has_folded(self) -> bool:
        """Whether there are folded uses to tell of."""
        return self._uses > 0

    @property
    def is_due(self) -> bool:
        """Whether they should be told now."""
        return self.has_folded and time.monotonic() >= self._next_record

    def records(self, now: int) -> list[bytes]:
        """Return the record that tells of what was folded, if anything was; ``told`` ends it."""
        if not self._uses:
            return []
        content: dict[str, Any] = {"uses": self._uses, "first": self._first, "last": self._last}
        content["keys"] = len(self._tellings["key"])
        for column, counter in self._tellings.items():
            content[f"by_{column}"] = dict(counter.most_common(MAX_TOLD))
        return [encode_record("gap", now, reason="folded", attributes=content)]

    def told(self) -> None:
        """Begin a new count: what was folded is on disk."""
        self._next_record = time.monotonic() + SECONDS_BETWEEN_RECORDS
        self._forget()


def _remember(known: dict[bytes, None], found: re.Match[bytes] | None, most: int) -> None:
    """Note what was found, in place of the oldest where there are ``most``."""
    if found is not None:
        known[found[1]] = None
        if len(known) > most:
            del known[next(iter(known))]
