"""An answer that was asked for one row more than wanted, so that it is seen whether more match."""

from __future__ import annotations

from dataclasses import replace

from keytrail.sources.source import Found


def cut(found: Found, limit: int) -> Found:
    """Return the first ``limit`` rows of ``found``, marked as truncated where there were more."""
    rows = list(found.rows)
    if len(rows) <= limit:
        return Found(rows, found.completeness)
    reasons = (f"older uses match too: these are the newest {limit:,}", *found.completeness.reasons)
    return Found(rows[:limit], replace(found.completeness, worth="truncated", reasons=reasons))
