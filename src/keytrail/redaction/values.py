"""Redaction by value: the keys that keytrail has seen, wherever they turn up."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from keytrail.redaction.clean import Clean
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import MOST_IN_ONE_TEXT, MOST_TOGETHER, Region
from keytrail.redaction.spellings import PROBE, Spelling, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from keytrail.redaction.memory import KeyMemory, Remembered

PROBES_PER_CHUNK: Final = 55
"""With the decoys, as many short patterns as are surely searched with vector instructions."""
_DECOYS: Final = tuple(bytes((first, 0xFF)) * 4 for first in range(0xF8, 0xFD))
"""In no text, for UTF-8 has no such bytes: where few different bytes begin the patterns, the
automaton would look for those bytes, which are in every text, instead."""
_STRIDE: Final = 16 * 1024
"""Bytes that are searched at once where what is found may be more than is wanted."""
MOST_BESIDE: Final = 8
"""So many keys are looked for one by one before the automata are built anew."""


class Index:
    """Automata over the probes of some keys."""

    def __init__(self, keys: Iterable[Remembered]) -> None:
        self.keys = frozenset(keys)
        self._forms = _by_probe(self.keys)
        self._probes = sorted(self._forms)
        self._searches = [
            BytesAhoCorasick(
                [*self._probes[start : start + PROBES_PER_CHUNK], *_DECOYS],
                matchkind=MatchKind.LeftmostFirst,
                implementation=Implementation.NoncontiguousNFA,
            ).find_matches_as_indexes
            for start in range(0, len(self._probes), PROBES_PER_CHUNK)
        ]

    def hinted(self, data: bytes) -> bool:
        """Tell whether a probe is in ``data``."""
        if len(data) > MOST_TOGETHER and self._probes:
            return self._steady.is_in(data)
        for search in self._searches:  # noqa: SIM110 - twice as fast as any()
            if search(data):
                return True
        return False

    def found(self, data: bytes) -> Iterator[tuple[int, Spelling]]:
        """Yield where a probe is in ``data``, overlapping ones too, with each of its spellings."""
        for first in range(0, len(data), _STRIDE):
            part = data[first : first + _STRIDE + PROBE - 1]
            for number, start, _ in self._every.find_matches_as_indexes(part, overlapping=True):
                if start < _STRIDE:
                    for form in self._forms[self._probes[number]]:
                        yield first + start, form

    @cached_property
    def _steady(self) -> Pattern:
        """One automaton that no text makes slower: a caller may send as much as he likes."""
        return Pattern.anywhere("|".join(map(_literal, self._probes)))

    @cached_property
    def _every(self) -> BytesAhoCorasick:
        """One slower automaton that hides no probe behind another: needed on a hit only."""
        return BytesAhoCorasick(self._probes, implementation=Implementation.NoncontiguousNFA)


class Wanted:
    """What to look for in one text: the keys of an index, and a few beside it."""

    def __init__(self, index: Index, beside: Iterable[Remembered]) -> None:
        self._index = index
        self._beside = _by_probe(beside)

    def hinted(self, data: bytes) -> bool:
        """Tell whether ``data`` may hold a wanted key; never wrong when it says no."""
        return self._index.hinted(data) or any(probe in data for probe in self._beside)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield where a wanted key stands, whole or cut off by the end of ``data``.

        Where there are many, all of ``data`` is one.
        """
        found = [*islice(self._found(data), MOST_IN_ONE_TEXT)]
        if len(found) == MOST_IN_ONE_TEXT:
            yield Region(0, len(data), "value")
            return
        for start, form in found:
            end = _end(data, start, form)
            if end is not None:
                fingerprints = () if form.fingerprint is None else (form.fingerprint,)
                yield Region(start, end, "value", fingerprints)

    def _found(self, data: bytes) -> Iterator[tuple[int, Spelling]]:
        if self._index.hinted(data):
            yield from self._index.found(data)
        yield from self._found_beside(data)

    def _found_beside(self, data: bytes) -> Iterator[tuple[int, Spelling]]:
        for probe, forms in self._beside.items():
            start = data.find(probe)
            while start >= 0:
                for form in forms:
                    yield start, form
                start = data.find(probe, start + 1)


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
        self.clean = Clean()

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
        self.clean = ring.clean
        """What held nothing secret as long as the ring has been the same."""

    def only_ring(self, trace_ids: Set[int]) -> bool:
        """Tell whether no trace has a key beside the ring's, nor lost one."""
        memory, ring = self._memory, self._ring.wanted
        return not memory.any_overflowed(trace_ids) and all(
            self.wanted(one) is ring for one in memory.any_bound(trace_ids)
        )

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


def _by_probe(keys: Iterable[Remembered]) -> dict[bytes, list[Spelling]]:
    forms: dict[bytes, list[Spelling]] = {}
    for key in keys:
        for form in spellings(key):
            forms.setdefault(form.probe, []).append(form)
    return forms


def _literal(probe: bytes) -> str:
    return "".join([f"\\x{byte:02x}" for byte in probe])


def _end(data: bytes, start: int, form: Spelling) -> int | None:
    """Return where the spelling that may begin at ``start`` ends, if it does stand there.

    A text that ends inside it was cut off by a length limit: what is left of the key goes too.
    """
    end = form.end(data, start)
    if end >= 0:
        return end if not form.whole_word or _stands_alone(data, start, end) else None
    cut_off = start + len(form.text) > len(data) and form.text.startswith(data[start:])
    return len(data) if cut_off else None


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    around = data[max(0, start - 1) : start] + data[end : end + 1]
    return not any(chr(byte).isalnum() or byte == ord("_") for byte in around)
