"""What an answer of the local store is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.sources.source import Completeness, Filter
from keytrail.sources.worth import begin_of, end_of, several_peppers
from keytrail.store.moments import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from keytrail.store.delivered import Delivered
    from keytrail.store.live import Gap
    from keytrail.store.manifest import Entry
    from keytrail.store.store import Condition

_LOSSES: Final = {
    "queue_full": "the queue in memory was full",
    "fault": "keytrail failed",
    "home_unwritable": "the home directory could not be written",
    "disk_full": "the disk was nearly full",
    "journal_full": "the journal reached its most bytes",
    "expired": "they were older than the journal keeps",
    "deleted": "somebody deleted them before they were delivered",
    "folded": "denied uses of keys that never succeeded were only counted",
    "ended_hard": "a process ended without writing what it had in memory",
    "unreadable": "their lines could not be read for delivery",
    "refused": "the endpoint refused them",
}
"""The reasons of gap records in words."""


def judge(
    wanted: Filter, now: int, home: Path, condition: Condition, deliveries: Sequence[Delivered]
) -> Completeness:
    """Return the worth of an answer to ``wanted`` that was read from ``home`` at ``now``."""
    reasons = (
        *_bounds(wanted, home, condition),
        *_holes(condition),
        *(_removed(entry) for entry in condition.removed if _overlaps(wanted, entry)),
        *_losses([gap for gap in condition.gaps if _concerns(wanted, gap)]),
        *(_elsewhere(sent) for sent in deliveries),
    )
    return Completeness(
        worth="bounded" if reasons else "exact",
        begins=begin_of(wanted, condition.begins),
        ends=end_of(wanted, now),
        reasons=reasons,
    )


def _bounds(wanted: Filter, home: Path, condition: Condition) -> Iterator[str]:
    if condition.begins is None:
        yield f"the journal in {home} is empty"
    elif any(one is not None and one < condition.begins for one in (wanted.since, wanted.until)):
        yield f"the journal begins at {_when(condition.begins)}"


def _holes(condition: Condition) -> Iterator[str]:
    if condition.unreadable:
        yield f"{_many(condition.unreadable, 'segment')} cannot be read by this user"
    for path in condition.cut:
        yield f"{path} lacks lines, and which sealed files there are: run keytrail verify"
    if condition.damaged:
        yield f"{_many(len(condition.damaged), 'sealed file')} missing or cut: run keytrail verify"
    if condition.bad:
        yield f"{_many(condition.bad, 'line')} of the journal cannot be parsed"
    if condition.torn:
        torn = _many(condition.torn, "segment")
        yield f"half a line at the end of {torn}, left by a writer that died"
    if len(condition.peppers) > 1:
        yield several_peppers(condition.peppers)


def _removed(entry: Entry) -> str:
    told = entry.told
    uses = _many(told["uses"], "use")
    when = f"from {_when(told['first'])} to {_when(told['last'])}"
    if entry.event == "drop":
        return f"{uses} {when} dropped: the store keeps so many {told['reason']}"
    return f"{uses} {when} erased or made nameless for one {told['what']} ({_when(entry.time)})"


def _overlaps(wanted: Filter, entry: Entry) -> bool:
    return (wanted.since is None or entry.told["last"] >= wanted.since) and (
        wanted.until is None or entry.told["first"] <= wanted.until
    )


def _losses(gaps: Sequence[Gap]) -> Iterator[str]:
    for reason in sorted({gap.reason for gap in gaps}):
        alike = [gap for gap in gaps if gap.reason == reason]
        number = sum(gap.uses for gap in alike)
        uses = _many(number, "use") if number else "a few uses may be"
        when = _when(max(gap.time for gap in alike))
        yield f"{uses} lost: {_LOSSES.get(reason, reason)} (last noted {when})"


def _elsewhere(sent: Delivered) -> str:
    uses = _many(sent.uses, "use")
    when = f"{_when(sent.first)} to {_when(sent.last)}"
    return f"{uses} from {when}, delivered to {sent.endpoint}: ask there"


def _concerns(wanted: Filter, gap: Gap) -> bool:
    return wanted.since is None or gap.time >= wanted.since


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _when(moment: int) -> str:
    return f"{seconds(moment)} UTC"
