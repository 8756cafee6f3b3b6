"""Two windows of time side by side: what is new, gone, or changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keytrail.questions.answer import Answer
from keytrail.questions.dimensions import placed, read_dimensions, told_of
from keytrail.questions.errors import QuestionError
from keytrail.questions.filters import Filters, read_filters, read_time
from keytrail.sources.source import Grouping
from keytrail.sources.worth import least
from keytrail.store.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import Unpack

    from keytrail.sources.source import Filter, Row, Source

_COMPARED: Final = (
    *("uses_before", "uses", "errors_before", "errors", "denials_before", "denials"),
    *("first_use", "last_use"),
)
COMPARE_COLUMNS: Final = (
    *("change", "key", "key_id", "key_name", "owner", "environment", "provider"),
    *("service", "route", "host", "client", "direction", *_COMPARED),
)
"""The columns of a comparison: ``…_before`` counts the earlier window, the other the later one."""

_COUNTED: Final = ("uses", "errors", "denials", "first_use", "last_use")
_ORDER: Final = ("new", "gone", "more", "less", "same")


def compare(
    source: Source,
    *,
    before: str | None = None,
    by: Sequence[str] = ("key",),
    factor: float = 2.0,
    **filters: Unpack[Filters],
) -> Answer:
    """Return one row per group of uses in the window from ``since`` to ``until`` or before it.

    ``before`` is where the earlier window begins, which ends where the later one begins; without
    it, both are equally long. ``change`` is ``new``, ``gone``, ``more`` or ``less`` (the uses, or
    the errors or denials, in the same time by ``factor``), or ``same``.

    Raises:
        QuestionError: a filter or a dimension cannot be read, or there is no ``since``.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    divided = read_dimensions(by)
    if not factor > 1:
        raise QuestionError("--factor: nothing changes by this\nhint: give a number above 1")
    asked = read_filters(source, filters)
    earlier, later = _windows(asked.wanted, read_time("before", before))
    columns = (*divided, *told_of(divided, COMPARE_COLUMNS), *_COUNTED)
    grouping = Grouping(columns, divided)
    found = [source.groups(window, grouping) for window in (earlier, later)]
    before_it, now = ({row[: len(divided)]: row for row in window.rows} for window in found)
    change = _Change(_length(later) / _length(earlier), factor)
    rows = sorted(_side_by_side(before_it, now, change), key=lambda row: _ORDER.index(str(row[0])))
    return Answer(
        {"name": "compare", "by": " ".join(divided), **asked.shown, **_shown(earlier, later)},
        COMPARE_COLUMNS,
        placed(rows, ("change", *columns[: -len(_COUNTED)], *_COMPARED), COMPARE_COLUMNS),
        least(*(window.completeness for window in found)),
    )


def _windows(wanted: Filter, before: int | None) -> tuple[Filter, Filter]:
    until = time.time_ns() if wanted.until is None else wanted.until
    since = wanted.since
    if since is None or since >= until:
        raise QuestionError("--since: the later window has no beginning\nhint: give --since 7d")
    begins = since - (until - since + 1) if before is None else before
    if begins >= since:
        raise QuestionError("--before: the earlier window is empty\nhint: give an earlier time")
    return replace(wanted, since=begins, until=since - 1), replace(wanted, until=until)


def _length(window: Filter) -> int:
    return (window.until or 0) - (window.since or 0) + 1


def _shown(earlier: Filter, later: Filter) -> dict[str, str]:
    return {"before": rfc3339(earlier.since or 0), "until": rfc3339(later.until or 0)}


@dataclass(frozen=True, slots=True)
class _Change:
    """When a count has changed between windows of different length."""

    scale: float
    """How much longer the later window is."""
    factor: float

    def of(self, before: Sequence[int], now: Sequence[int]) -> str:
        """Return the word for the counts of one group; the first that changed decides."""
        for earlier, later in zip(before, now, strict=True):
            expected = earlier * self.scale
            if later > expected * self.factor:
                return "more"
            if later * self.factor < expected:
                return "less"
        return "same"


def _side_by_side(
    before: Mapping[Row, Row], now: Mapping[Row, Row], change: _Change
) -> Iterator[Row]:
    """Yield ``change``, what a group is called, and what is told of it in both windows."""
    for group in {**now, **before}:
        earlier, later = before.get(group), now.get(group)
        *_, first, last = later or earlier or ()
        old, new = _counts(earlier), _counts(later)
        word = "new" if earlier is None else "gone" if later is None else change.of(old, new)
        pairs = [count for pair in zip(old, new, strict=True) for count in pair]
        begun = first if earlier is None else earlier[-2]
        yield (word, *(later or earlier or ())[: -len(_COUNTED)], *pairs, begun, last)


def _counts(row: Row | None) -> tuple[int, ...]:
    if row is None:
        return (0, 0, 0)
    return tuple(int(str(count)) for count in row[-len(_COUNTED) : -2])
