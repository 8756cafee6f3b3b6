"""Several questions that belong together: what is few is read once, and put together here."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.sources import few
from keytrail.sources.cut import cut
from keytrail.sources.few import Few
from keytrail.sources.relation import identity
from keytrail.sources.source import USE_COLUMNS, Filter, Found, Grouping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from contextlib import AbstractContextManager

    from keytrail.sources.clickhouse.source import ClickHouseSource
    from keytrail.sources.source import Identity, Row

_Rows = tuple[tuple[object, ...], ...]

_MOST: Final = 1_000
"""So many uses are read whole to be put together here, of as many traces; more is done there."""
_MOST_NARROW: Final = 5_000
"""So many are read of which only what groups tell is needed."""
_IDENTITY: Final = Grouping(
    columns=("key", "previous", "key_id", "key_name", "owner", "last_use"),
    by=("key", "previous"),
    order=("last_use",),
)
_TIME, _DIRECTION, _TRACE, _SPAN = (
    USE_COLUMNS.index(column) for column in ("time", "direction", "trace_id", "span_id")
)


class OneReading:
    """Answers as its source does, as :class:`keytrail.sources.Source` says.

    A statement costs the server much the same, whether it tells of twenty uses or of one. So the
    uses of a key, of clients and of traces are read once each, where they are few.
    """

    def __init__(self, source: ClickHouseSource) -> None:
        self._source = source
        self._newest: dict[str, _Rows] = {}
        self._whole: dict[Filter, _Rows | None] = {}
        self._narrow: dict[Filter, Few | None] = {}
        self._named: dict[str, bool] = {}
        self._traces: list[tuple[str, frozenset[str], _Rows]] = []

    def close(self) -> None:
        """Let the source's connection go."""
        self._source.close()

    def reading(self) -> AbstractContextManager[OneReading]:
        """It is one already."""
        return nullcontext(self)

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by it.

        A whole one that no span names beside its own can only be that of its own uses.
        """
        if semconv.FINGERPRINT.fullmatch(start) and not self._may_name((start,)):
            uses = self._source.uses_of(start, _MOST + 1)
            self._newest[start] = tuple(row[: len(USE_COLUMNS)] for row in uses.rows)
            if len(uses.rows) <= _MOST:
                return tuple(map(identity, few.groups(uses.uses(), _IDENTITY)))
        return self._source.identities(start)

    def uses(self, wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Found:
        """Return the newest ``limit`` uses, newest first; or all of them, the oldest first."""
        if oldest_first:
            return self._source.uses(wanted, limit, oldest_first=True)
        direction = _only_in_traces(wanted)
        if direction is not None and limit is None:
            rows = self._in_traces(wanted.traces or (), direction)
            if rows is not None:
                return self._found(sorted(rows, key=_newest_first), wanted)
        keys = wanted.beside or wanted.redacted
        if keys and not self._may_name(keys):
            return self._found((), wanted)
        found = self._held(wanted, limit) or self._source.uses(wanted, limit)
        rows = tuple(found.rows)
        if limit is None or len(rows) < limit:
            self._whole[wanted] = rows if len(rows) <= _MOST else None
        elif limit >= _MOST:
            self._whole[wanted] = None
        return Found(rows, found.completeness)

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses."""
        uses = self._few(wanted)
        if uses is None or not uses.can_tell(grouping):
            return self._source.groups(wanted, grouping)
        return self._found(few.groups(uses.uses(), grouping), wanted)

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host."""
        rows = self._flows(wanted, behalf)
        return self._source.flows(wanted, behalf) if rows is None else self._found(rows, wanted)

    def _found(self, rows: Iterable[Row], wanted: Filter) -> Found:
        return Found(rows, self._source.completeness(wanted))

    def _held(self, wanted: Filter, limit: int | None) -> Found | None:
        """Return uses of keys that are read already, ``None`` where not all that match are."""
        held = [self._newest[key] for key in wanted.keys or () if key in self._newest]
        only = Filter(keys=wanted.keys, since=wanted.since, until=wanted.until)
        if not held or len(held) < len(wanted.keys or ()) or wanted != only:
            return None
        if all(len(uses) <= _MOST for uses in held):
            every = (use for uses in held for use in uses if _is_in_time(use, wanted))
            found = self._found(sorted(every, key=_newest_first), wanted)
        elif limit is not None and limit <= _MOST and len(held) == 1 and _is_of_any_time(wanted):
            found = self._found(held[0], wanted)
        else:
            return None
        return found if limit is None else cut(found, limit)

    def _may_name(self, keys: tuple[str, ...]) -> bool:
        unknown = tuple(key for key in keys if key not in self._named)
        if unknown:
            self._named.update(dict.fromkeys(unknown, self._source.may_name(unknown)))
        return any(self._named[key] for key in keys)

    def _few(self, wanted: Filter) -> Few | None:
        """Return the uses of a key or of clients, ``None`` where they are many."""
        whole = self._whole.get(wanted)
        if whole is None and (held := self._held(wanted, None)):
            whole = self._whole[wanted] = tuple(held.rows)
        if whole is not None:
            return Few(USE_COLUMNS, whole)
        if () in (wanted.keys, wanted.clients):
            return Few(USE_COLUMNS, ())
        if wanted.keys is None and wanted.clients is None:
            return None
        if wanted not in self._narrow:
            self._narrow[wanted] = self._source.few(wanted, _MOST_NARROW)
        return self._narrow[wanted]

    def _flows(self, wanted: Filter, behalf: tuple[str, ...] | None) -> list[Row] | None:
        sent = self._sent(wanted) if behalf is None else self._caused(wanted, behalf)
        if sent is None:
            return None
        received = self._in_traces({str(use[_TRACE]) for use in sent}, "incoming")
        if received is None:
            return None
        begun = [use for use in received if _is_in_time(use, Filter(until=wanted.until))]
        return few.flows(
            Few(USE_COLUMNS, sent).uses(), Few(USE_COLUMNS, tuple(begun)).uses(), behalf
        )

    def _sent(self, wanted: Filter) -> _Rows | None:
        """Return what was sent of the uses that match."""
        uses = self._of_key(wanted)
        return None if uses is None else _directed(uses, "outgoing")

    def _caused(self, wanted: Filter, keys: tuple[str, ...]) -> _Rows | None:
        """Return what was sent in the traces that came with one of ``keys``."""
        if wanted != Filter(since=wanted.since, until=wanted.until):
            return None
        uses = self._of_key(Filter(keys=keys))
        if uses is None:
            return None
        traces = {str(use[_TRACE]) for use in _directed(uses, "incoming")}
        sent = self._in_traces(traces, "outgoing")
        return None if sent is None else tuple(use for use in sent if _is_in_time(use, wanted))

    def _of_key(self, wanted: Filter) -> _Rows | None:
        """Return the uses of a key, ``None`` where they are many."""
        if wanted.keys is None:
            return None
        if wanted not in self._whole:
            self.uses(wanted, _MOST)
        return self._whole[wanted]

    def _in_traces(self, traces: Collection[str], direction: str) -> _Rows | None:
        """Return the uses in ``traces``, those of one direction, ``None`` where they are many."""
        asked = frozenset(traces)
        for its_direction, those, rows in self._traces:
            if its_direction == direction and asked <= those:
                return tuple(use for use in rows if use[_TRACE] in asked)
        if not asked or len(asked) > _MOST:
            return None if asked else ()
        wanted = Filter(traces=tuple(sorted(asked)), equal=(("direction", direction),))
        rows = tuple(self._source.uses(wanted, _MOST).rows)
        if len(rows) == _MOST:
            return None
        self._traces.append((direction, asked, rows))
        return rows


def _only_in_traces(wanted: Filter) -> str | None:
    """Return the direction, where nothing but it and traces are asked for."""
    direction = dict(wanted.equal).get("direction")
    if direction is None or wanted.traces is None:
        return None
    only = Filter(traces=wanted.traces, equal=(("direction", direction),))
    return direction if wanted == only else None


def _directed(uses: _Rows, direction: str) -> _Rows:
    return tuple(use for use in uses if use[_DIRECTION] == direction)


def _is_in_time(use: Row, wanted: Filter) -> bool:
    moment = int(str(use[_TIME]))
    return (wanted.since is None or moment >= wanted.since) and (
        wanted.until is None or moment <= wanted.until
    )


def _is_of_any_time(wanted: Filter) -> bool:
    return wanted.since is None and wanted.until is None


def _newest_first(use: Row) -> tuple[int, str, str]:
    return -int(str(use[_TIME])), str(use[_TRACE]), str(use[_SPAN])
