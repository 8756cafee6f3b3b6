"""Redaction by value: the keys that keytrail has seen, wherever they turn up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from keytrail.redaction.regions import Region
from keytrail.redaction.spellings import PROBE, Spelling, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keytrail.redaction.memory import KeyMemory, Remembered

PROBES_PER_CHUNK: Final = 60
"""Up to about this many short patterns are searched with vector instructions."""
MOST_BESIDE: Final = 8
"""So many keys are looked for one by one before the automata are built anew."""


class Wanted:
    """What to look for in one text: the keys of an index, and a few beside it."""

    def __init__(self, index: Index, beside: Iterable[Remembered]) -> None:
        self._chunks = index.chunks
        self._beside = [form for key in beside for form in spellings(key)]
        self._probes = {form.probe for form in self._beside}
        self._indexed = index.spellings

    def hinted(self, data: bytes) -> bool:
        """Tell whether ``data`` may hold a wanted key; never wrong when it says no."""
        return any(chunk.find_matches_as_indexes(data) for chunk in self._chunks) or any(
            probe in data for probe in self._probes
        )

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield where a wanted key stands, whole or cut off by the end of ``data``."""
        for forms in (self._indexed, self._beside):
            for form in forms:
                yield from _whole(data, form)
                yield from _cut_off(data, form)


class Index:
    """Automata over the probes of some keys."""

    def __init__(self, keys: Iterable[Remembered]) -> None:
        self.keys = frozenset(keys)
        self.spellings = tuple(form for key in self.keys for form in spellings(key))
        probes = sorted({form.probe for form in self.spellings})
        self.chunks = [
            BytesAhoCorasick(
                probes[start : start + PROBES_PER_CHUNK],
                matchkind=MatchKind.LeftmostFirst,
                implementation=Implementation.NoncontiguousNFA,
            )
            for start in range(0, len(probes), PROBES_PER_CHUNK)
        ]


class KnownValues:
    """The keys of the memory, ready to be looked for."""

    def __init__(self, memory: KeyMemory) -> None:
        self._memory = memory
        self._index = Index(())

    def now(self) -> Moment:
        """Return the memory's keys as they are now, indexed anew where many have come."""
        recent = self._memory.recent()
        index = self._index
        newer = [key for key in recent if key not in index.keys]
        if len(newer) > MOST_BESIDE:
            index = self._index = Index(recent)
            newer = []
        return Moment(self._memory, index, newer)


class Moment:
    """The ring at one moment, and what each trace adds to it."""

    def __init__(self, memory: KeyMemory, index: Index, newer: Sequence[Remembered]) -> None:
        self._memory = memory
        self._index = index
        self._newer = newer
        self._ring = Wanted(index, newer)
        self._of_trace: dict[int, Wanted] = {}

    def wanted(self, trace_id: int | None) -> Wanted:
        """Return what to look for in the texts of a trace, or in a text without one."""
        bound = () if trace_id is None else self._memory.bound(trace_id)
        added = [key for key in bound if key not in self._index.keys and key not in self._newer]
        if trace_id is None or not added:
            return self._ring
        known = self._of_trace.get(trace_id)
        if known is None:
            known = self._of_trace[trace_id] = Wanted(self._index, [*self._newer, *added])
        return known


def _whole(data: bytes, form: Spelling) -> Iterator[Region]:
    length = len(form.text)
    start = data.find(form.text)
    while start >= 0:
        end = start + length
        if not form.whole_word or _stands_alone(data, start, end):
            yield _region(form, start, end)
        start = data.find(form.text, start + 1)


def _cut_off(data: bytes, form: Spelling) -> Iterator[Region]:
    """Yield the beginning of a key where the text ends in it, as length limits leave it."""
    if len(form.text) <= PROBE:
        return
    start = data.find(form.probe, max(0, len(data) - len(form.text) + 1))
    if start >= 0 and form.text.startswith(data[start:]):
        yield _region(form, start, len(data))


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    around = data[max(0, start - 1) : start] + data[end : end + 1]
    return not any(chr(byte).isalnum() or byte == ord("_") for byte in around)


def _region(form: Spelling, start: int, end: int) -> Region:
    fingerprints = () if form.fingerprint is None else (form.fingerprint,)
    return Region(start, end, "value", fingerprints)
