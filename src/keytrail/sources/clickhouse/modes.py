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
    settings = " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in _WHOLE.items())
    try:
        client.query(f"SELECT 1{settings}")
    except DatabaseError:
        return Modes("", forbidden=_in_force(client))
    limit = "" if seconds is None else f", max_execution_time = {seconds:.6f}"
    return Modes(settings + limit, forbidden=True)


def _in_force(client: Client) -> bool:
    """Tell whether the profile says by itself what may not be asked for."""
    rows = client.query(
        "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}",
        {"names": list(_WHOLE)},
    ).result_rows
    return {str(name): str(value) for name, value in rows} == _WHOLE
