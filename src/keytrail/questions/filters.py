"""The filters that people type, as a :class:`Filter`."""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from keytrail.capture.facts import Direction
from keytrail.questions.moments import read_moment
from keytrail.sources.source import Filter, Network
from keytrail.store.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
_OUTCOMES: Final = ("success", "denied", "rate_limited", "error", "unknown")
_STATUS: Final = re.compile(r"(?P<one>\d{3})|(?P<hundreds>[1-5])xx|(?P<low>\d{3})-(?P<high>\d{3})")

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")


class QuestionError(ValueError):
    """A question that cannot be asked; names the filter, never a key, and gives a hint."""


def read_filter(
    *,
    since: str | None,
    until: str | None,
    client: str | None,
    status: str | None,
    direction: str | None,
    outcome: str | None,
    trace: str | None,
    **equal: str | None,
) -> Filter:
    """Return the filter; ``equal`` are the columns that are compared as they are.

    Raises:
        QuestionError: a text means nothing.
    """
    now = time.time_ns()

    def moment(text: str) -> int:
        return read_moment(text, now)

    when = "a time such as 2026-11-25T17:00:00Z, 2h, 7d or today"
    return Filter(
        since=_read("since", since, moment, when),
        until=_read("until", until, moment, when),
        client=_read("client", client, _network, "an address or a network such as 10.0.0.0/8"),
        status=_read("status", status, _statuses, "a status such as 404, 4xx or 400-499"),
        direction=_choice("direction", direction, get_args(Direction)),
        outcome=_choice("outcome", outcome, _OUTCOMES),
        trace=_read("trace", trace, _trace_id, "a trace id of 32 hex digits"),
        **equal,
    )


def describe(wanted: Filter) -> dict[str, str]:
    """Return what is asked for, without what is not, as it may be shown."""
    return {
        field.name: _SHOWN.get(field.name, str)(value)
        for field in fields(wanted)
        if (value := getattr(wanted, field.name)) is not None
    }


def _read(name: str, text: str | None, read: Callable[[str], _T], expected: str) -> _T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise QuestionError(f"--{name}: this cannot be read\nhint: give {expected}") from None


def _choice(name: str, text: str | None, choices: Sequence[str]) -> str | None:
    if text is not None and text not in choices:
        raise QuestionError(f"--{name}: no such value\nhint: give one of {', '.join(choices)}")
    return text


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


def _statuses(text: str) -> tuple[int, int]:
    found = _STATUS.fullmatch(text.lower())
    if found is None:
        raise ValueError
    if found["hundreds"]:
        return int(found["hundreds"]) * 100, int(found["hundreds"]) * 100 + 99
    return int(found["one"] or found["low"]), int(found["one"] or found["high"])


def _trace_id(text: str) -> str:
    if not _TRACE_ID.fullmatch(text.lower()):
        raise ValueError
    return text.lower()


def _status_shown(status: tuple[int, int]) -> str:
    low, high = status
    return str(low) if low == high else f"{low}-{high}"


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "since": rfc3339,
    "until": rfc3339,
    "status": _status_shown,
}
