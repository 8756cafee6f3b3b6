"""An answer that was asked for one row more than wanted, so that it is seen whether more match."""

from __future__ import annotations

from keytrail.sources.source import Found


def cut(found: Found, limit: int) -> Found:
    """Return the first ``limit`` rows of ``found``, marked as truncated where there were more."""
    rows = list(found.rows)
    if len(rows) <= limit:
        return Found(rows, found.completeness)
    reason = f"older uses match too: these are the newest {limit:,}"
    return Found(rows[:limit], found.completeness.truncated(reason))
