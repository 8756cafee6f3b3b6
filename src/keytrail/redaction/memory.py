"""The bounded memory of recent raw keys, which redaction by value looks for."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NoReturn

from keytrail.redaction.locks import fork_safe_lock
from keytrail.redaction.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from keytrail.capture.key import RawKey

SHORTEST_IN_RING: Final = 8
"""A shorter key is looked for in its own trace only: elsewhere it would redact ordinary words."""
LONGEST: Final = 4096
"""A longer key is not kept; the trace that it is bound to counts as overflowed."""
MOST_BOUND_BYTES: Final = 48 * 1024 * 1024
"""Enough for a key of 300 bytes of its own in each of the traces that are kept."""
_BYTES_OF_TRACE: Final = 176
_BYTES_OF_KEY: Final = 224
"""What a trace and a key take in CPython beside the key's own bytes."""
OVERFLOWED_PER_TRACE: Final = 16
"""How many overflowed traces are surely known for each trace that can be bound."""

_WORD: Final = rb"(?:(?:[a-z]{1,19}|[A-Z][a-z]{1,18}|[A-Z]{1,19})[0-9]{0,2}|[0-9]{1,4})"
_BETWEEN: Final = rb"[-_./: ]"
_ORDINARY: Final = re.compile(
    _BETWEEN + rb"*" + _WORD + rb"(?:" + _BETWEEN + rb"+" + _WORD + rb")*" + _BETWEEN + rb"*"
    rb"|[-0-9.:/ ]+"
)
"""Words, names of hosts and paths, numbers, addresses, times: what other texts are made of."""

_guard = fork_safe_lock()


class Remembered:
    """A raw key that redaction looks for: opaque, shows nothing, cannot be pickled or copied."""

    __slots__ = ("__value", "fingerprint", "size")

    def __init__(self, value: bytes, fingerprint: str | None) -> None:
        self.__value = value
        self.fingerprint = fingerprint
        self.size = len(value)

    def reveal(self) -> bytes:
        """Return the key's bytes, for redaction only."""
        return self.__value

    def __repr__(self) -> str:
        return "Remembered('**********')"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a remembered key cannot be pickled or copied")


class KeyMemory:
    """Bounded memory of recent raw keys: bound to trace ids, plus a ring of the newest.

    The keys of a trace stay until so many younger traces have come that its spans have long been
    exported, whatever other keys come meanwhile; the ring is the second net for text without a
    trace. What reads like ordinary text stays out of the ring: whoever presents ``production`` as a
    key must not redact that word from everybody's texts. Safe in every thread.
    """

    def __init__(self, traces: int = 65_536, per_trace: int = 8, ring: int = 64) -> None:
        self._most_traces = traces
        self._per_trace = per_trace
        self._most_in_ring = ring
        self._ring: OrderedDict[bytes, Remembered] = OrderedDict()
        self._bound: OrderedDict[int, tuple[Remembered, ...]] = OrderedDict()
        self._bound_bytes = 0
        self._overflowed = Marks(traces * OVERFLOWED_PER_TRACE)
        self._recent: tuple[Remembered, ...] | None = None

    def remember(self, raw: RawKey, fingerprint: str | None) -> Remembered:
        """Put the key into the ring as its newest, unless it is too short, too long or a word."""
        value = raw.reveal()
        with _guard:
            known = self._ring.get(value)
            if known is not None and known.fingerprint == fingerprint:
                self._ring.move_to_end(value)
                return known
        if not SHORTEST_IN_RING <= len(value) <= LONGEST or reads_ordinary(value):
            return Remembered(value[: LONGEST + 1], fingerprint)
        with _guard:
            known = self._ring[value] = Remembered(value, fingerprint)
            self._recent = None
            self._ring.move_to_end(value)
            if len(self._ring) > self._most_in_ring:
                self._ring.popitem(last=False)
            return known

    def bind(self, trace_id: int, remembered: Sequence[Remembered]) -> None:
        """Keep the keys for ``trace_id``, beside those that it has."""
        if not remembered:
            return
        with _guard:
            before = self._bound.get(trace_id, ())
            kept = self._kept(trace_id, before, remembered)
            if len(kept) == len(before):
                return
            self._bound[trace_id] = kept
            self._bound_bytes += _size(kept) - _size(before)
            while len(self._bound) > self._most_traces or self._bound_bytes > MOST_BOUND_BYTES:
                oldest, lost = self._bound.popitem(last=False)
                self._bound_bytes -= _size(lost)
                self._overflowed.add(oldest)

    def _kept(
        self, trace_id: int, before: tuple[Remembered, ...], more: Sequence[Remembered]
    ) -> tuple[Remembered, ...]:
        if not before and len(more) == 1 and more[0].size <= LONGEST:
            return (more[0],)
        wanted = tuple({key.reveal(): key for key in (*before, *more)}.values())
        kept = wanted[: self._per_trace]
        if len(kept) < len(wanted) or any(key.size > LONGEST for key in kept):
            kept = tuple(key for key in kept if key.size <= LONGEST)
            self._overflowed.add(trace_id)
        return kept

    def overflowed(self, trace_id: int) -> bool:
        """Tell whether a bound was hit for this trace: its free text must be dropped.

        Very rarely, and only where many traces were, a trace is taken for one of them.
        """
        return trace_id in self._overflowed

    def any_overflowed(self, trace_ids: Set[int]) -> bool:
        """Tell whether a bound was hit for any of these traces."""
        overflowed = self._overflowed
        return bool(overflowed) and any(one in overflowed for one in trace_ids)

    def any_bound(self, trace_ids: Set[int]) -> Set[int]:
        """Return those of the traces to which keys are bound."""
        return trace_ids & self._bound.keys()

    def bound(self, trace_id: int) -> tuple[Remembered, ...]:
        """Return the keys that are bound to ``trace_id``."""
        return self._bound.get(trace_id, ())

    @property
    def bound_bytes(self) -> int:
        """Return how many bytes the bound keys take, as if no two traces shared one."""
        return self._bound_bytes

    def recent(self) -> tuple[Remembered, ...]:
        """Return the keys of the ring: the very same object while no key came or went."""
        with _guard:
            if self._recent is None:
                self._recent = tuple(self._ring.values())
            return self._recent


def reads_ordinary(value: bytes) -> bool:
    """Tell whether ``value`` is made of what other texts are made of."""
    return _ORDINARY.fullmatch(value) is not None


def _size(keys: Sequence[Remembered]) -> int:
    """Return how many bytes a trace with ``keys`` takes where it shares none of them."""
    return _BYTES_OF_TRACE + sum([_BYTES_OF_KEY + key.size for key in keys]) if keys else 0
