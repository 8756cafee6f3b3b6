"""The settings without which a profile may make a part of an answer look like all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_OVERFLOWS: Final = tuple(
    f"{what}_overflow_mode"
    for what in ("timeout", "result", "read", "group_by", "sort", "distinct", "join", "set")
)
_WHOLE: Final = {**dict.fromkeys(_OVERFLOWS, "throw"), "skip_unavailable_shards": "0"}


class Modes(NamedTuple):
    """What every statement is asked with."""

    settings: str
    """What ends a statement."""
    forbidden: bool
    """Whether it is certain that no part is given for the whole."""


def whole_answers(client: Client, seconds: float | None) -> Modes:
    """Return the settings that this user may use, and whether they suffice."""
    wanted = dict(_WHOLE)
    if seconds is not None:
        wanted["max_execution_time"] = f"{seconds:.6f}"
    told = ", ".join(f"{name} = {_value(value)}" for name, value in wanted.items())
    settings = f" SETTINGS {told}"
    try:
        client.query(f"SELECT 1{settings}")
    except DatabaseError:
        return Modes("", forbidden=_in_force(client))
    return Modes(settings, forbidden=True)


def _value(value: str) -> str:
    return value if value.replace(".", "").isdecimal() else f"'{value}'"


def _in_force(client: Client) -> bool:
    """Tell whether the profile says by itself what may not be asked for."""
    rows = client.query(
        "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}",
        {"names": list(_WHOLE)},
    ).result_rows
    return {str(name): str(value) for name, value in rows} == _WHOLE
