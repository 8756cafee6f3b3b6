"""The filters that people type, as a :class:`Filter`."""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, get_args

from keytrail.capture.facts import Direction
from keytrail.questions.errors import QuestionError
from keytrail.questions.moments import read_moment
from keytrail.questions.whose import whose
from keytrail.semconv import REDACTED
from keytrail.sources.source import USE_COLUMNS, Filter
from keytrail.store.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from keytrail.sources.source import Source
    from keytrail.store.networks import Network

_T = TypeVar("_T")
_OUTCOMES: Final = ("success", "denied", "rate_limited", "error", "unknown")
_STATUS: Final = re.compile(r"(?P<one>\d{3})|(?P<hundreds>[1-5])xx|(?P<low>\d{3})-(?P<high>\d{3})")
_A_STATUS: Final = "a status such as 404, 4xx or 400-499"
_EQUAL: Final = ("service", "host", "direction", "outcome", "owner", "provider")
_OTHERWISE: Final = frozenset({"time", "key", "findings", "duration"})
"""Columns whose values nobody types; they have filters of their own."""
_MAPPED: Final = 96
"""Bits before an IPv4 address that is written within IPv6."""
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")


class Filters(TypedDict, total=False):
    """The filters of every question, as people type them; ``None`` and what is absent mean all."""

    key: str | Sequence[str] | None
    """A fingerprint or its first eight or more digits, or a public key id; or several fingerprints
    of one key."""
    since: str | None
    """RFC 3339, ``2h`` or ``7d`` ago, ``today`` or ``yesterday`` in UTC."""
    until: str | None
    client: str | None
    """An address or a network."""
    status: str | None
    """``404``, ``4xx`` or ``400-499``."""
    direction: str | None
    outcome: str | None
    service: str | None
    route: str | None
    """Compared with the path where a use has no route."""
    owner: str | None
    provider: str | None
    host: str | None
    finding: str | None
    trace: str | None
    where: Sequence[str] | None
    """``column=value``, for any other column."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter, and how it may be shown."""

    wanted: Filter
    shown: dict[str, str]


def read_filters(source: Source, filters: Filters) -> Asked:
    """Return what is asked of ``source``.

    A ``key`` that matches nothing is not shown again: it may be a raw key, given by mistake.

    Raises:
        QuestionError: a text means nothing, or means several keys.
        keytrail.sources.CannotAnswer: the source cannot tell which key is meant.
    """
    wanted = _read_but_key(filters)
    shown = _describe(wanted)
    key = filters.get("key")
    if key is None:
        return Asked(wanted, shown)
    meant = whose(source, key)
    given = key if isinstance(key, str) else " ".join(meant.keys)
    named = {**shown, "key": given if meant.seen else REDACTED}
    return Asked(replace(wanted, keys=meant.keys), named)


def read_time(name: str, text: str | None) -> int | None:
    """Return the moment that the option ``name`` gives, in Unix nanoseconds.

    Raises:
        QuestionError: the text names no moment.
    """
    now = time.time_ns()
    when = "a time such as 2026-11-25T17:00:00Z, 2h, 7d or today"
    return _read(name, text, lambda given: read_moment(given, now), when)


def read_times(since: str | None, until: str | None) -> Filter:
    """Return the filter for a time alone.

    Raises:
        QuestionError: a text names no moment, or the time ends before it begins.
    """
    wanted = Filter(since=read_time("since", since), until=read_time("until", until))
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise QuestionError(
            "--since: this is later than --until\nhint: such as --since 7d --until 2d"
        )
    return wanted


def _read_but_key(filters: Filters) -> Filter:
    _choice("direction", filters.get("direction"), get_args(Direction))
    _choice("outcome", filters.get("outcome"), _OUTCOMES)
    return replace(
        read_times(filters.get("since"), filters.get("until")),
        network=_read(
            "client", filters.get("client"), _network, "an address or a network such as 10.0.0.0/8"
        ),
        status=_read("status", filters.get("status"), _statuses, _A_STATUS),
        traces=_read("trace", filters.get("trace"), _trace_ids, "a trace id of 32 hex digits"),
        finding=filters.get("finding"),
        route=filters.get("route"),
        equal=(*_equal(filters), *map(_column, filters.get("where") or ())),
    )


def _equal(filters: Filters) -> Iterator[tuple[str, str]]:
    for name in _EQUAL:
        value = filters.get(name)
        if isinstance(value, str):
            yield name, value


def _column(text: str) -> tuple[str, str]:
    column, given, value = text.partition("=")
    if not given or column not in USE_COLUMNS or column in _OTHERWISE:
        columns = ", ".join(name for name in USE_COLUMNS if name not in _OTHERWISE)
        raise QuestionError(
            f"--where: no such column\nhint: give column=value with one of {columns}"
        )
    return column, value


def _describe(wanted: Filter) -> dict[str, str]:
    """Return what is asked for, without what is not, as it may be shown."""
    shown = {
        _NAMES.get(field.name, field.name): _SHOWN.get(field.name, str)(value)
        for field in fields(wanted)
        if field.name != "equal" and (value := getattr(wanted, field.name)) is not None
    }
    return {**shown, **dict(wanted.equal)}


def _read(name: str, text: str | None, read: Callable[[str], _T], expected: str) -> _T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise QuestionError(f"--{name}: this cannot be read\nhint: give {expected}") from None


def _choice(name: str, text: str | None, choices: Sequence[str]) -> None:
    if text is not None and text not in choices:
        raise QuestionError(f"--{name}: no such value\nhint: give one of {', '.join(choices)}")


def _network(text: str) -> Network:
    """Read an IPv4 network also where it is written within IPv6, as clients' addresses are."""
    network = ipaddress.ip_network(text, strict=False)
    within = getattr(network.network_address, "ipv4_mapped", None)
    if within is None or network.prefixlen < _MAPPED:
        return network
    return ipaddress.ip_network((within, network.prefixlen - _MAPPED), strict=False)


def _statuses(text: str) -> tuple[int, int]:
    found = _STATUS.fullmatch(text.lower())
    if found is None:
        raise ValueError
    if found["hundreds"]:
        return int(found["hundreds"]) * 100, int(found["hundreds"]) * 100 + 99
    low, high = int(found["one"] or found["low"]), int(found["one"] or found["high"])
    if low > high:
        raise ValueError
    return low, high


def _trace_ids(text: str) -> tuple[str, ...]:
    if not _TRACE_ID.fullmatch(text.lower()):
        raise ValueError
    return (text.lower(),)


def _status_shown(status: tuple[int, int]) -> str:
    low, high = status
    return str(low) if low == high else f"{low}-{high}"


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "since": rfc3339,
    "until": rfc3339,
    "status": _status_shown,
    "traces": " ".join,
}
_NAMES: Final = {"network": "client", "traces": "trace"}
