"""Redaction by value: the keys that keytrail has seen, wherever they turn up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from keytrail.redaction.regions import Region
from keytrail.redaction.spellings import PROBE, Spelling, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
        self._ring = _Ring((), Index(()))

    def now(self) -> Moment:
        """Return the memory's keys as they are now, indexed anew where many have come."""
        recent = self._memory.recent()
        ring = self._ring
        if recent is not ring.keys:
            ring = self._ring = ring.followed_by(recent)
        return Moment(self._memory, ring)


class _Ring:
    """The ring's keys: most of them indexed, the newest beside the index."""

    def __init__(self, keys: tuple[Remembered, ...], index: Index) -> None:
        self.keys = keys
        self.index = index
        self.newest = [key for key in keys if key not in index.keys]
        self.wanted = Wanted(index, self.newest)

    def followed_by(self, keys: tuple[Remembered, ...]) -> _Ring:
        """Return the ring as it is after other keys came."""
        following = _Ring(keys, self.index)
        return following if len(following.newest) <= MOST_BESIDE else _Ring(keys, Index(keys))


class Moment:
    """The ring at one moment, and what each trace adds to it."""

    def __init__(self, memory: KeyMemory, ring: _Ring) -> None:
        self._memory = memory
        self._ring = ring
        self._of_trace: dict[int, Wanted] = {}

    def wanted(self, trace_id: int | None) -> Wanted:
        """Return what to look for in the texts of a trace, or in a text without one."""
        bound = () if trace_id is None else self._memory.bound(trace_id)
        if trace_id is None or not bound:
            return self._ring.wanted
        known = self._of_trace.get(trace_id)
        if known is None:
            known = self._of_trace[trace_id] = self._with(bound)
        return known

    def _with(self, bound: Iterable[Remembered]) -> Wanted:
        ring = self._ring
        added = [key for key in bound if key not in ring.index.keys and key not in ring.newest]
        return Wanted(ring.index, [*ring.newest, *added]) if added else ring.wanted


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
