"""The books as the files alone tell them, whoever wrote them and whether they live or not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.aftermath import DELIVERED, RECORDS
from keytrail.journal.cursor import confirmed, sidecar
from keytrail.journal.segment import RECORD_START, segments, uses_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TOLD_IN_NOTES: Final = frozenset({"refused", "unreadable"})
"""Reasons of drops that a note on their segment tells; gap records repeat them."""


@dataclass(slots=True)
class Proof:
    """What became of every use that a home has seen."""

    kept: int = 0
    """In segments that are not meant for delivery."""
    waiting: int = 0
    delivered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    """Written, says their segment's end, and neither there nor accounted for."""

    @property
    def seen(self) -> int:
        """All of them."""
        return (
            self.kept + self.waiting + self.delivered + self.dropped.total() + max(0, self.missing)
        )


def prove(home: Path) -> Proof:
    """Return the books of ``home`` from its segments, notes and records.

    Raises:
        OSError: a file cannot be read.

    """
    proof = Proof()
    present = _count_segments(home, proof)
    settled = _read_notes(home, proof)
    for record in _records(home):
        told = record.get("attributes", {})
        if record["record"] == "gap" and record["reason"] not in _TOLD_IN_NOTES:
            proof.dropped[record["reason"]] += told["uses"]
        elif record["record"] == "stop" and "segment" in told:
            segment = told["segment"]
            proof.missing += told["uses"] - present.get(segment, settled[segment])
    proof.dropped += Counter()  # without what is zero
    return proof


def _count_segments(home: Path, proof: Proof) -> dict[str, int]:
    """Return how many uses each segment holds."""
    present = {}
    for found in segments(home):
        uses = present[found.path.name] = uses_in(found.path)
        if sidecar(found.path).exists():
            waiting = uses_in(found.path, confirmed(found.path))
            proof.waiting += waiting
            proof.delivered += uses - waiting
        else:
            proof.kept += uses
    return present


def _read_notes(home: Path, proof: Proof) -> Counter[str]:
    """Return how many uses of each segment that has gone are accounted for."""
    settled: Counter[str] = Counter()
    for note in _parsed(home / DELIVERED):
        dropped = Counter(note.get("dropped", {}))
        proof.delivered += note["uses"]
        proof.dropped += Counter({name: dropped[name] for name in _TOLD_IN_NOTES})
        settled[note.get("segment", "")] += note["uses"] + dropped.total()
    return settled


def _records(home: Path) -> Iterator[dict[str, Any]]:
    yield from _parsed(home / RECORDS)
    for found in segments(home):
        yield from _parsed(found.path, only=RECORD_START)


def _parsed(path: Path, only: bytes = b"") -> Iterable[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            return [json.loads(line) for line in file if line.startswith(only)]
    except FileNotFoundError:
        return []
