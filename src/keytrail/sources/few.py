"""Few uses that were read whole: put together here, as a source would."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail.sources.source import FLOW_COLUMNS, Grouping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from keytrail.sources.source import Row

_Use = dict[str, Any]

_FLOWS: Final = Grouping(
    FLOW_COLUMNS,
    by=("key", "service", "host", "behalf_key", "behalf_client"),
    order=("last_use",),
)
_OF_CALLER: Final = ("key", "key_name", "owner", "client")


class Few(NamedTuple):
    """Some columns of uses, each of which is there once."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def uses(self) -> Iterator[_Use]:
        """Yield each use by its columns."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def can_tell(self, grouping: Grouping) -> bool:
        """Tell whether :func:`groups` has all that it needs."""
        read = {name for column in grouping.columns for name in _READ.get(column, (column,))}
        return bool(grouping.by) and {"time", *grouping.by, *read} <= {*self.columns}


def groups(uses: Iterable[_Use], grouping: Grouping) -> list[Row]:
    """Return one row for each group of ``uses``, as :meth:`Source.groups` orders them."""
    found: dict[Row, list[_Use]] = defaultdict(list)
    for use in sorted(uses, key=_time, reverse=True):
        found[_part(use, grouping)].append(use)
    parts = sorted(found, key=_nothing_first)
    told = {
        column: [part[place] for part in parts] for place, column in enumerate(grouping.divided)
    }
    newest_first = [found[part] for part in parts]
    by_column = (
        told[column] if column in told else map(_MEASURES[column], newest_first)
        for column in grouping.columns
    )
    rows = [*zip(*by_column, strict=True)]
    for column in reversed(grouping.order):
        place = grouping.columns.index(column)
        rows.sort(key=itemgetter(place), reverse=True)
    return rows


def flows(
    sent: Iterable[_Use], received: Iterable[_Use], behalf: tuple[str, ...] | None
) -> list[Row]:
    """Return which key was sent by which service to which host, as :meth:`Source.flows` does.

    ``received`` are the incoming uses of the traces in which the keys were ``sent``.
    """
    calls: dict[tuple[object, object], list[_Use]] = defaultdict(list)
    for use in sorted(received, key=_time):
        calls[use["trace_id"], use["service"]].append(use)
    joined = (_on_behalf(use, calls[use["trace_id"], use["service"]]) for use in sent)
    return groups((use for use in joined if behalf is None or use["behalf_key"] in behalf), _FLOWS)


def _on_behalf(use: _Use, calls: Iterable[_Use]) -> _Use:
    """Add the call that began last before, of those ordered by time."""
    before = [call for call in calls if _time(call) <= _time(use)]
    caller = before[-1] if before else {}
    return {**use, **{f"behalf_{column}": caller.get(column) for column in _OF_CALLER}}


def _time(use: _Use) -> int:
    return int(use["time"])


def _part(use: _Use, grouping: Grouping) -> Row:
    of = tuple([use[column] for column in grouping.by])
    return of if grouping.every is None else (_time(use) - _time(use) % grouping.every, *of)


def _nothing_first(part: Row) -> tuple[tuple[bool, object], ...]:
    return tuple([(value is not None, value) for value in part])


def _newest(column: str, uses: list[_Use]) -> object:
    for use in uses:
        if use[column] is not None:
            return use[column]
    return None


def _with(outcome: str, uses: list[_Use]) -> int:
    return [use["outcome"] for use in uses].count(outcome)


def _different(column: str, uses: list[_Use]) -> int:
    return len({use[column] for use in uses} - {None})


_NEWEST: Final = (
    *("key_id", "key_name", "owner", "environment", "provider"),
    *("behalf_key_name", "behalf_owner"),
)
_OUTCOMES: Final = {"errors": "error", "denials": "denied", "rate_limited": "rate_limited"}
_DIFFERENT: Final = {"clients": "client", "services": "service", "routes": "route", "hosts": "host"}
_MEASURES: Final[dict[str, Callable[[list[_Use]], object]]] = {
    **{column: partial(_newest, column) for column in _NEWEST},
    "first_use": lambda uses: _time(uses[-1]),
    "last_use": lambda uses: _time(uses[0]),
    "uses": len,
    **{measure: partial(_with, outcome) for measure, outcome in _OUTCOMES.items()},
    **{measure: partial(_different, column) for measure, column in _DIFFERENT.items()},
}
"""What is told of a group of uses, the newest first."""
_READ: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("first_use", "last_use"), ("time",)),
    "uses": (),
    **dict.fromkeys(_OUTCOMES, ("outcome",)),
    **{measure: (column,) for measure, column in _DIFFERENT.items()},
}
"""The columns that a measure reads, where they are others than its own name."""
