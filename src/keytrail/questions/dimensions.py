"""By what uses can be divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.questions.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keytrail.sources.source import Row

DIMENSIONS: Final = (
    *("key", "owner", "environment", "provider", "service", "route", "host", "client"),
    "direction",
)
"""The columns by which uses can be divided."""

_TOLD_OF_A_KEY: Final = ("key_id", "key_name", "owner", "environment", "provider")


def read_dimensions(by: Sequence[str]) -> tuple[str, ...]:
    """Return ``by`` without repetitions.

    Raises:
        QuestionError: a name is no dimension.
    """
    if not set(by) <= set(DIMENSIONS):
        raise QuestionError(f"--by: no such column\nhint: give some of {', '.join(DIMENSIONS)}")
    return tuple(dict.fromkeys(by))


def told_of(by: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return what of ``columns`` a group divided ``by`` has beside: a key has a name and an owner.

    Where uses are not divided by key, their newest name says nothing of the others.
    """
    told = _TOLD_OF_A_KEY if "key" in by else ()
    return tuple(column for column in columns if column in told and column not in by)


def placed(rows: Iterable[Row], given: Sequence[str], wanted: Sequence[str]) -> Iterator[Row]:
    """Yield ``rows`` of the columns ``given`` as rows of ``wanted``, empty where not given."""
    places = [given.index(column) if column in given else None for column in wanted]
    for row in rows:
        yield tuple([None if place is None else row[place] for place in places])
