"""What an answer is worth that was put together from several."""

from __future__ import annotations

from typing import Final

from keytrail.sources.source import Completeness, Worth

_FROM_BEST: Final[tuple[Worth, ...]] = ("exact", "bounded", "truncated")


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
