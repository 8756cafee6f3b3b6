"""The settings without which a profile may make a part of an answer look like all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_OVERFLOWS: Final = (
    *("timeout", "result", "read", "group_by", "sort", "distinct", "join", "set", "transfer"),
)
_WHOLE: Final = {
    **{f"{what}_overflow_mode": "throw" for what in _OVERFLOWS},
    **{f"{what}_overflow_mode_leaf": "throw" for what in ("timeout", "read")},
    **dict.fromkeys(("skip_unavailable_shards", "limit", "offset"), "0"),
    **dict.fromkeys(("join_use_nulls", "transform_null_in", "prefer_column_name_to_alias"), "0"),
    **dict.fromkeys(("join_any_take_last_row", "aggregate_functions_null_for_empty"), "0"),
    "empty_result_for_aggregation_by_empty_set": "0",
    "join_default_strictness": "ALL",
}


class Modes(NamedTuple):
    """What every statement is asked with."""

    settings: str
    """What ends a statement; empty where this user may not change any."""
    forbidden: bool
    """Whether it is certain that no part is given for the whole."""

    def within(self, seconds: float | None) -> str:
        """Return what ends a statement that may take so many seconds, as far as it can be told."""
        limit = "" if seconds is None else f", max_execution_time = {seconds:.6f}"
        return self.settings and self.settings + limit


def whole_answers(client: Client) -> Modes:
    """Return the settings that this user may use, and whether they suffice."""
    in_force = _in_force(client)
    wanted = {name: value for name, value in _WHOLE.items() if name in (in_force or _WHOLE)}
    settings = " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in wanted.items())
    try:
        client.query(f"SELECT 1{settings}")
    except DatabaseError:
        return Modes("", forbidden=in_force == wanted)
    return Modes(settings, forbidden=True)


def _in_force(client: Client) -> dict[str, str]:
    """Return what the profile says by itself of the settings that this server knows.

    In one row: it may say that there are to be no more.
    """
    rows = client.query(
        "SELECT groupArray(name), groupArray(value) FROM system.settings "
        "WHERE name IN {names:Array(String)}",
        {"names": list(_WHOLE)},
    ).result_rows
    return {
        name: value for names, values in rows for name, value in zip(names, values, strict=True)
    }
