"""A ClickHouse, asked over HTTP by its official client."""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from clickhouse_connect.driver.exceptions import DatabaseError

from keytrail.sources.clickhouse import statements
from keytrail.sources.clickhouse.connecting import connected
from keytrail.sources.clickhouse.modes import whole_answers
from keytrail.sources.clickhouse.reading import OneReading
from keytrail.sources.clickhouse.refusals import FAILURES, cannot
from keytrail.sources.clickhouse.rows import are_keys, as_uses
from keytrail.sources.clickhouse.table import names, read_table
from keytrail.sources.conditions import within
from keytrail.sources.cut import cut
from keytrail.sources.few import Few
from keytrail.sources.relation import identity
from keytrail.sources.source import (
    FLOW_COLUMNS,
    USE_COLUMNS,
    Completeness,
    Filter,
    Found,
    Grouping,
)
from keytrail.sources.spans import is_key
from keytrail.sources.worth import begin_of, end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clickhouse_connect.driver.client import Client

    from keytrail.sources.address import Address
    from keytrail.sources.clickhouse.statements import Statement
    from keytrail.sources.clickhouse.table import Name, Table
    from keytrail.sources.limits import Limits
    from keytrail.sources.source import Identity, Row

logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
"""What it logs, without a handler, would stand on stderr beside what is told here."""
_TABLE: Final = "otel_traces"
_IN_GROUPS: Final = (
    *("time", "key", "key_id", "key_name", "owner", "environment", "provider", "direction"),
    *("route", "host", "outcome", "client", "service"),
)
_T = TypeVar("_T")
_WAITING: Final = "what still waits in the journals of services is not in it"
_MIGRATED_IN_PART: Final = (
    "the table has an older or half-done migration, so that answers take longer: run {} again"
)
_NO_FINGERPRINTS: Final = (
    "spans have something else than a fingerprint as their key: see to the services or Collectors "
    "that they come from"
)
_MAY_BE_CUT: Final = (
    "this user may not forbid that a part is given for the whole (overflow modes): see to it that "
    "its profile says 'throw'"
)


class ClickHouseSource:
    """Answers from one table, as :class:`keytrail.sources.Source` says."""

    def __init__(self, address: Address, limits: Limits, client: Client | None = None) -> None:
        """Connect to ``address``, where no ``client`` is connected already."""
        self._address = address
        self._limits = limits
        self._client = client or self._telling(lambda: connected(address, limits))
        self._modes = self._telling(lambda: whole_answers(self._client))
        self._table = self._telling(self._described)
        self._begins: int | None = None

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    @contextmanager
    def reading(self) -> Iterator[OneReading]:
        """Ask once where the table begins, and for what is few; between questions it goes on."""
        held = copy(self)
        held._begins = self._oldest()
        yield OneReading(held)

    def uses(self, wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Found:
        """Return the newest ``limit`` uses, newest first, or all of them the other way round."""
        most = None if limit is None else limit + 1
        here = self._by_address(wanted)
        statement = statements.uses(self._table, here, most, oldest_first=oldest_first)
        uses = as_uses(self._rows(statement), self._table.told())
        found = Found(uses, self.completeness(wanted))
        return found if limit is None else cut(found, limit)

    def uses_of(self, key: str, most: int) -> Few:
        """Return the newest ``most`` uses of a key with its fingerprint under the pepper before."""
        wanted = Filter(keys=(key,))
        statement = statements.uses(self._table, wanted, most, also=("previous",))
        rows = [*self._rows(statement)]
        uses = as_uses((row[:-1] for row in rows), self._table.told())
        whole = ((*use, row[-1]) for use, row in zip(uses, rows, strict=True))
        return Few((*USE_COLUMNS, "previous"), tuple(whole))

    def few(self, wanted: Filter, most: int) -> Few | None:
        """Return what groups tell of the uses that match, where there are at most so many.

        ``None`` where there are more, and where one may be there several times.
        """
        here = self._by_address(wanted)
        statement = statements.some(self._table, here, _IN_GROUPS, most + 1)
        rows = [*self._rows(statement)]
        spans = {row[-1] for row in rows}
        if len(rows) > most or len(spans) < len(rows):
            return None
        told = (row[:-1] for row in rows)
        return Few(_IN_GROUPS, tuple(as_uses(told, self._table.told(_IN_GROUPS), _IN_GROUPS)))

    def may_name(self, keys: tuple[str, ...]) -> bool:
        """Return whether a use may name one of ``keys`` beside its own."""
        if not self._table.has_named:
            return True
        ((found,),) = self._rows(statements.named(self._table, keys))
        return bool(found)

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses; reads again where some are there twice."""
        here = self._by_address(wanted)
        ((repeats,),) = self._rows(statements.repeats(self._table, here))

        def ask(table: Table) -> Statement:
            return statements.groups(table, here, grouping, once=bool(repeats))

        found = self._by_keys(ask, grouping.columns, wanted)
        return found if grouping.by else replace(found, rows=[*map(_known, found.rows)])

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host."""
        here = self._by_address(wanted)

        def ask(table: Table) -> Statement:
            return statements.flows(table, here, behalf)

        return self._by_keys(ask, FLOW_COLUMNS, wanted)

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by it."""
        found = map(identity, self._rows(statements.identities(self._table, start)))
        return tuple(one for one in found if is_key(one.key))

    def _by_keys(
        self, ask: Callable[[Table], Statement], columns: Sequence[str], wanted: Filter
    ) -> Found:
        """Ask again, by fingerprints alone, where something else stands for a key."""
        rows, worth = [*self._rows(ask(self._table))], self.completeness(wanted)
        if are_keys(rows, columns):
            return Found(rows, worth)
        rows = [*self._rows(ask(replace(self._table, doubts_keys=True)))]
        return Found(rows, replace(worth, reasons=(_NO_FINGERPRINTS, *worth.reasons)))

    def _described(self) -> Table:
        *others, last = names(str(self._address.options.get("table", _TABLE)))
        for name in others:
            with suppress(DatabaseError):
                return self._describe(name)
        return self._describe(last)

    def _describe(self, name: Name) -> Table:
        described = self._client.query(f"DESCRIBE TABLE {name.quoted}").result_rows
        columns = {str(row[0]): str(row[1]) for row in described}
        engine = self._client.query(
            "SELECT create_table_query FROM system.tables WHERE name = {table:String} "
            "AND database = if({database:String} = '', currentDatabase(), {database:String})",
            name._asdict(),
        ).result_rows
        return read_table(name, str(self._address), columns, str(engine))

    def _by_address(self, wanted: Filter) -> Filter:
        """Turn a network into the addresses in it: they are written in too many ways for SQL."""
        if wanted.network is None:
            return wanted
        here = replace(wanted, network=None)
        by_client = Grouping(("client", "uses"), by=("client",))
        seen = self._rows(statements.groups(self._table, here, by_client, once=False))
        clients = {str(row[0]) for row in seen if row[0] is not None}
        return replace(here, clients=tuple(sorted(within(clients, wanted.network))))

    def _rows(self, statement: Statement) -> Iterator[Row]:
        sql = statement.sql + self._modes.within(self._limits.remaining())
        stream = self._telling(lambda: self._client.query_rows_stream(sql, statement.values))
        try:
            with stream as rows:
                yield from rows
        except FAILURES as error:
            raise cannot(self._address, self._limits, error) from None

    def completeness(self, wanted: Filter) -> Completeness:
        """Return what an answer to ``wanted`` is worth."""
        now = time.time_ns()
        begins = self._oldest() if self._begins is None else self._begins
        reasons = [_WAITING]
        if self._table.forgets:
            reasons.append("the table has a TTL: older spans are gone")
        if self._table.is_migrated_in_part:
            migration = "columns-json.sql" if self._table.is_json else "columns.sql"
            reasons.append(_MIGRATED_IN_PART.format(migration))
        if not self._modes.forbidden:
            reasons.insert(0, _MAY_BE_CUT)
        return Completeness(
            worth="bounded" if self._modes.forbidden else "truncated",
            begins=begin_of(wanted, begins if begins > 0 else None),
            ends=end_of(wanted, now),
            reasons=tuple(reasons),
        )

    def _oldest(self) -> int:
        """Return the first moment in the table, 0 where it is empty."""
        ((begins,),) = self._rows(statements.begins(self._table))
        return int(str(begins))

    def _telling(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except FAILURES as error:
            raise cannot(self._address, self._limits, error) from None


def _known(row: Row) -> Row:
    """A quantile of nothing is nothing."""
    return tuple(None if isinstance(one, float) and math.isnan(one) else one for one in row)
