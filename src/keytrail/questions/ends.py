"""Both ends of a call: the service that sent the key, and the one that was called with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.sources.source import USE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keytrail.sources.source import Row

ENDS_COLUMNS: Final = (
    *("time", "service", "key", "host", "received_by", "received_key"),
    *("client", "route", "status", "outcome", "trace_id"),
)
"""The columns of a call that both ends recorded: another ``received_key`` than ``key`` says that
something between them swapped it."""

_PLACE: Final = {column: place for place, column in enumerate(USE_COLUMNS)}


def both_ends(uses: Iterable[Row], keys: Iterable[str]) -> Iterator[Row]:
    """Yield the calls among ``uses`` with one of ``keys`` at an end, the newest first."""
    wanted = frozenset(keys)
    uses = list(uses)
    sent = {
        (_of(use, "trace_id"), _of(use, "span_id")): use
        for use in uses
        if _of(use, "direction") == "outgoing"
    }
    for received in uses:
        caller = sent.get((_of(received, "trace_id"), _of(received, "parent_span_id")))
        if caller is None or _of(received, "direction") != "incoming":
            continue
        if wanted & {_of(caller, "key"), _of(received, "key")}:
            yield _call(caller, received)


def _call(caller: Row, received: Row) -> Row:
    at_the_caller = (_of(caller, column) for column in ENDS_COLUMNS[:4])
    at_the_called = (_of(received, column) for column in ("service", "key", *ENDS_COLUMNS[6:]))
    return (*at_the_caller, *at_the_called)


def _of(use: Row, column: str) -> object:
    return use[_PLACE[column]]
