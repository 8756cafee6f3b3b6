"""The books as the files alone tell them, whoever wrote them and whether they live or not."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail.journal.aftermath import DELIVERED, RECORDS
from keytrail.journal.cursor import confirmed, sidecar
from keytrail.journal.segment import RECORD_START, segments, whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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

    Segments are read before what is noted of those that went: one that is delivered meanwhile is
    in the notes, or in both, and counts once.

    Raises:
        OSError: a file cannot be read.

    """
    proof = Proof()
    present = _read_segments(home)
    notes = _notes(home)
    accounted = {name: _count_note(proof, note) for name, note in notes.items()}
    for name in present.keys() - notes.keys():
        accounted[name] = _count_segment(proof, present[name])
    oldest = min((note["time"] for note in notes.values()), default=0)
    for record in _records(home, present):
        _count_record(proof, record, accounted, oldest)
    proof.dropped += Counter()  # without what is zero
    return proof


class _Present(NamedTuple):
    """A segment as it was read, once."""

    uses: int
    waiting: int | None
    """``None`` where they are not meant for delivery."""
    records: list[bytes]


def _read_segments(home: Path) -> dict[str, _Present]:
    present = {}
    for found in segments(home):
        with contextlib.suppress(FileNotFoundError):  # it has been delivered: a note tells of it
            present[found.path.name] = _read_segment(found.path)
    return present


def _read_segment(path: Path) -> _Present:
    is_meant = sidecar(path).exists()
    offset = confirmed(path)
    uses = waiting = 0
    records = []
    for begin, line in whole_lines(path):
        if line.startswith(RECORD_START):
            records.append(line)
            continue
        uses += 1
        waiting += begin >= offset
    return _Present(uses, waiting if is_meant else None, records)


def _notes(home: Path) -> dict[str, dict[str, Any]]:
    """Return one note on each segment: who dies between noting and deleting notes it twice."""
    parsed = enumerate(_parsed(_lines(home / DELIVERED)))
    return {note.get("segment", str(number)): note for number, note in parsed}


def _count_note(proof: Proof, note: Mapping[str, Any]) -> int:
    """Count what a note tells; return how many uses of its segment are accounted for."""
    dropped = Counter(note.get("dropped", {}))
    proof.delivered += note["uses"]
    proof.dropped += Counter({name: dropped[name] for name in _TOLD_IN_NOTES})
    return int(note["uses"] + dropped.total())


def _count_segment(proof: Proof, segment: _Present) -> int:
    if segment.waiting is None:
        proof.kept += segment.uses
    else:
        proof.waiting += segment.waiting
        proof.delivered += segment.uses - segment.waiting
    return segment.uses


def _records(home: Path, present: Mapping[str, _Present]) -> Iterator[dict[str, Any]]:
    """Yield each record once, where one stands in its segment and is kept already, too."""
    lines = dict.fromkeys(line for segment in present.values() for line in segment.records)
    lines.update(dict.fromkeys(_lines(home / RECORDS)))
    return _parsed(lines)


def _count_record(
    proof: Proof, record: Mapping[str, Any], accounted: Mapping[str, int], oldest: int
) -> None:
    """``oldest`` is the time of the first note: of what ended before it the note may have gone."""
    told = record.get("attributes", {})
    if record["record"] == "gap" and record["reason"] not in _TOLD_IN_NOTES:
        proof.dropped[record["reason"]] += told["uses"]
    elif record["record"] == "stop" and "segment" in told:
        name = told["segment"]
        if name in accounted or record["time"] >= oldest:
            proof.missing += told["uses"] - accounted.get(name, 0)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what can be read; half a line is of a writer that is at it, or that died."""
    for line in lines:
        with contextlib.suppress(ValueError):
            yield json.loads(line)
