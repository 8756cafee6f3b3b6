"""What answers are worth together, and the reasons that sources have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.sources.source import Completeness, Filter, Worth

if TYPE_CHECKING:
    from collections.abc import Collection

_FROM_BEST: Final[tuple[Worth, ...]] = ("exact", "bounded", "truncated")


def end_of(wanted: Filter, now: int) -> int:
    """Return where an answer that is given now ends: what is to come is in none."""
    until = now if wanted.until is None else min(wanted.until, now)
    return until if wanted.since is None else max(until, wanted.since)


def begin_of(wanted: Filter, oldest: int | None) -> int | None:
    """Return where an answer begins of a record that does at ``oldest``; ``None``: none of it."""
    if oldest is None or (wanted.until is not None and wanted.until < oldest):
        return None
    return oldest if wanted.since is None else max(oldest, wanted.since)


def several_peppers(ids: Collection[str]) -> str:
    """Return why keys under several peppers bound an answer."""
    return (
        f"keys were fingerprinted under {len(ids)} peppers ({', '.join(sorted(ids))}): "
        "one key may appear as several"
    )


def least(first: Completeness, *others: Completeness) -> Completeness:
    """Return the worth of what is no better than the worst of its parts."""
    parts = (first, *others)
    begins = [part.begins for part in parts if part.begins is not None]
    return Completeness(
        worth=max((part.worth for part in parts), key=_FROM_BEST.index),
        begins=min(begins, default=None),
        ends=max(part.ends for part in parts),
        reasons=tuple(dict.fromkeys(reason for part in parts for reason in part.reasons)),
    )
