"""A :class:`Filter` as a condition in DuckDB's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from keytrail.store.networks import Network, is_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keytrail.sources.source import Filter

_HASHES: Final = (
    "{0} IS NOT NULL AND list_has_any(TRY_CAST(TRY_CAST({0} AS JSON) AS VARCHAR[]), ?::VARCHAR[])"
)
_Term = tuple[str, tuple[str, ...], list[object]]


class Relation(Protocol):
    """A DuckDB connection with the relation ``uses_and_hashes``.

    It has the columns of a use, and those of :data:`keytrail.store.reading.HASHES`.
    """

    def execute(self, sql: str, values: Sequence[object] = ()) -> None:
        """Run ``sql``; its rows must be fetched before the next query."""

    def fetch(self, most: int) -> list[tuple[Any, ...]]:
        """Return the next rows of the last ``execute``; empty after the last one."""

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Return every row of ``sql``."""


def columns(wanted: Filter) -> set[str]:
    """Return the columns that the condition reads."""
    clients = set() if wanted.network is None else {"client"}
    return clients.union(*(read for _, read, _ in _terms(wanted)))


def condition(relation: Relation, wanted: Filter) -> tuple[str, list[object]]:
    """Return the condition and the values of its question marks."""
    terms: list[tuple[str, list[object]]] = [("true", [])]
    terms += [(text, values) for text, _, values in _terms(wanted)]
    if wanted.network is not None:
        clients = _addresses(relation, wanted.network)
        terms.append(("client IN (SELECT unnest(?))", [clients]))
    return " AND ".join(text for text, _ in terms), [value for _, of in terms for value in of]


def _terms(wanted: Filter) -> Iterator[_Term]:
    """Yield each condition with the columns that it reads and its values."""
    if wanted.since is not None:
        yield "time >= ?", ("time",), [wanted.since]
    if wanted.until is not None:
        yield "time <= ?", ("time",), [wanted.until]
    for column, values in (
        ("key", wanted.keys),
        ("client", wanted.clients),
        ("trace_id", wanted.traces),
    ):
        if values is not None:
            yield f"{column} IN (SELECT unnest(?))", (column,), [list(values)]
    if wanted.others_than is not None:
        without = ["key IS DISTINCT FROM ?"] * len(wanted.others_than)
        yield " AND ".join(without) or "true", ("key",), list(wanted.others_than)
    if wanted.status is not None:
        yield "status BETWEEN ? AND ?", ("status",), list(wanted.status)
    if wanted.finding is not None:
        yield "list_contains(findings, ?)", ("findings",), [wanted.finding]
    for column, hashes in (("redacted", wanted.redacted), ("beside", wanted.beside)):
        if hashes is not None:
            yield _HASHES.format(column), (column,), [list(hashes)]
    if wanted.route is not None:
        yield "coalesce(route, path) = ?", ("route", "path"), [wanted.route]
    for column, value in wanted.equal:
        yield f"CAST({column} AS VARCHAR) = ?", (column,), [value]


def within(clients: Iterable[str], network: Network) -> list[str]:
    """Return the clients whose address lies in ``network``."""
    return [client for client in clients if is_within(client, network)]


def _addresses(relation: Relation, network: Network) -> list[str]:
    """Every recorded client within ``network``: its text forms are too many for SQL."""
    clients = relation.all("SELECT DISTINCT client FROM uses_and_hashes WHERE client IS NOT NULL")
    return within((client for (client,) in clients), network)
