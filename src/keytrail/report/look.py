"""How the values of an answer look in a table: their words and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from keytrail.report.text import plain
from keytrail.report.values import MOMENTS
from keytrail.store.moments import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

COUNTS: Final = frozenset(
    {
        *("uses", "errors", "denials", "rate_limited", "clients", "services", "routes"),
        *("uses_before", "errors_before", "denials_before"),
    }
)
SECONDS: Final = frozenset({"duration", "p50", "p95", "p99", "seconds"})
NUMBERS: Final = COUNTS | SECONDS | {"status", "cost"}
_KEYS: Final = frozenset({"key", "received_key", "behalf_key"})
_SHORT_KEY: Final = 12
_OUTCOME_STYLE: Final = {
    "success": "green",
    "denied": "yellow",
    "rate_limited": "yellow",
    "error": "red",
}
_STATUS_STYLE: Final = {2: "green", 4: "yellow", 5: "red"}


def cell(column: str, value: object) -> Text:
    """Return ``value`` as the text of its cell, to be shown and not obeyed."""
    if column in _KEYS:
        return _key(column, value)
    if value is None:
        return Text()
    if column in MOMENTS and isinstance(value, int):
        return Text(seconds(value))
    style = _STYLES.get(column, _no_style)(value)
    return Text(_words(column, value), style)


def _key(column: str, value: object) -> Text:
    if value is None:
        return Text("" if column == "behalf_key" else "(no key)", "dim")
    return Text(plain(str(value))[:_SHORT_KEY], "cyan")


def _words(column: str, value: object) -> str:
    if isinstance(value, list):
        return plain(" ".join(map(str, value)))
    if column in SECONDS and isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column in COUNTS and isinstance(value, int):
        return f"{value:,}"
    return plain(str(value))


def _no_style(_value: object) -> str:
    return ""


def _status(value: object) -> str:
    return _STATUS_STYLE.get(value // 100, "") if isinstance(value, int) else ""


def _outcome(value: object) -> str:
    return _OUTCOME_STYLE.get(str(value), "")


def _trouble(colour: str) -> Callable[[object], str]:
    def style(value: object) -> str:
        return colour if value else "dim"

    return style


_STYLES: Final[dict[str, Callable[[object], str]]] = {
    "status": _status,
    "outcome": _outcome,
    "denials": _trouble("yellow"),
    "errors": _trouble("red"),
    "findings": _trouble("bold red"),
}
