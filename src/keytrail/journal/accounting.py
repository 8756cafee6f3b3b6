"""How many uses this process has seen, and what became of each.

``seen = delivered + waiting + dropped`` at every moment, because *waiting* is what is left: a use
that went astray would show as one that waits for ever.

=============  ===================================  ============================================
state          without an endpoint                  with one (the journal is on the way)
=============  ===================================  ============================================
*seen*         given to the journal                 the same, and those taken over from segments
                                                    that another process left undelivered
*delivered*    written to the journal               the endpoint took it, from the journal or
                                                    from the ordinary pipeline
*waiting*      in memory                            in memory or on disk
*dropped*      lost, by reason                      lost, by reason
=============  ===================================  ============================================

What retention deletes without its having been waiting here (the store's old days, segments of
processes that are gone) is seen once more and dropped at once. So is seen once more, at its end, a
use that was journaled while it ran: its two lines are delivered both, and
``keytrail.audit.provisional`` counts the earlier ones.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from keytrail import native, semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

Reason = Literal[
    "queue_full",
    "fault",
    "home_unwritable",
    "disk_full",
    "journal_full",
    "expired",
    "deleted",
    "folded",
    "unreadable",
    "refused",
]

Refusal = Literal["home_unwritable", "disk_full", "journal_full"]
"""Why the disk does not take uses."""
Trouble = Refusal | Literal["queue_full", "stalled"]
"""What stands between uses and the disk."""

HINTS: Final[dict[Reason, str]] = {
    "queue_full": "raise KEYTRAIL_QUEUE_SIZE, or see whether the disk is slow",
    "fault": "see the faults named before, or keytrail.faults",
    "home_unwritable": "make KEYTRAIL_HOME a directory that this process may write to",
    "disk_full": "free disk space: keytrail leaves the last tenth of a disk alone",
    "journal_full": "raise KEYTRAIL_JOURNAL_BYTES, or see why the endpoint does not answer",
    "folded": "denied uses of keys that never succeeded are only counted near the journal's bound: "
    "see who sends them, or raise KEYTRAIL_JOURNAL_BYTES",
    "expired": "raise KEYTRAIL_JOURNAL_DAYS to keep uses for longer",
    "deleted": "see who deletes segments under KEYTRAIL_HOME: keytrail did not",
    "unreadable": "look at the lines kept in refused/ under KEYTRAIL_HOME",
    "refused": "look at the lines kept in refused/ under KEYTRAIL_HOME",
}
"""Every reason, and what to do about it."""


class Tally:
    """A count that any thread, and a signal handler inside one, may raise without a lock."""

    __slots__ = ("_looked", "_reading", "_ticks")

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self._looked = 0
        self._reading = native.RLock()

    def add(self, amount: int = 1) -> None:
        """Raise the count."""
        if amount == 1:
            next(self._ticks)
        else:
            deque(itertools.islice(self._ticks, amount), maxlen=0)

    @property
    def value(self) -> int:
        """The count now."""
        with self._reading:
            found = next(self._ticks) - self._looked
            self._looked += 1
            return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of every use seen, at one moment."""

    seen: int
    delivered: int
    waiting: int
    dropped: dict[Reason, int]


class Accounting:
    """The books of one process; every method may be called from any thread and never blocks."""

    def __init__(self, *, delivers: bool) -> None:
        """``delivers``: an endpoint is set, so that a use on disk still waits."""
        self.delivers = delivers
        self.reset()

    def reset(self) -> None:
        """Begin at zero, as a forked child does: its parent keeps the books of what was before."""
        self._seen = Tally()
        self._delivered = Tally()
        self._dropped: dict[Reason, Tally] = {reason: Tally() for reason in HINTS}

    def saw(self, uses: int = 1) -> None:
        """Book uses that were given to the journal, or taken over."""
        self._seen.add(uses)

    def journaled(self, uses: int) -> None:
        """Book uses as written to disk, which is all there is to do without an endpoint."""
        if not self.delivers:
            self._delivered.add(uses)

    def delivered(self, uses: int) -> None:
        """Book uses as taken by the endpoint."""
        self._delivered.add(uses)

    def dropped(self, reason: Reason, uses: int = 1) -> None:
        """Book uses as lost."""
        self._dropped[reason].add(uses)

    def drops(self) -> dict[Reason, int]:
        """Return how many uses were lost, by reason; reasons that never happened are left out."""
        found = {reason: tally.value for reason, tally in self._dropped.items()}
        return {reason: uses for reason, uses in found.items() if uses}

    def snapshot(self) -> Snapshot:
        """Return the books now; what changes while they are read counts as still waiting."""
        delivered, dropped = self._delivered.value, self.drops()
        seen = self._seen.value
        return Snapshot(seen, delivered, seen - delivered - sum(dropped.values()), dropped)

    def observe(self, meter: Meter) -> None:
        """Publish the books as ``keytrail.audit.*`` instruments of ``meter``."""
        unit = "{use}"
        meter.create_observable_counter(
            semconv.METRIC_SEEN, [self._observe_seen], unit, "Uses that the audit has seen."
        )
        meter.create_observable_counter(
            semconv.METRIC_DELIVERED,
            [self._observe_delivered],
            unit,
            "Uses at the endpoint; without one, in the journal.",
        )
        meter.create_observable_up_down_counter(
            semconv.METRIC_WAITING, [self._observe_waiting], unit, "Uses neither there nor lost."
        )
        meter.create_observable_counter(
            semconv.METRIC_DROPPED, [self._observe_dropped], unit, "Uses lost, by reason."
        )

    def _observe_seen(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.snapshot().seen)]

    def _observe_delivered(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.snapshot().delivered)]

    def _observe_waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.snapshot().waiting)]

    def _observe_dropped(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(uses, {"reason": reason}) for reason, uses in self.drops().items()]
