from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keytrail.sources import Filter, LocalSource
from keytrail.sources.source import Grouping
from questions.question_kit import F1, F2, F3, HOUR, T0, use, write

_Use = dict[str, Any]
_NAMES = ("key_id", "key_name", "owner", "environment", "provider")
_OUTCOMES = ("success", "denied", "error", "rate_limited")


def _uses() -> list[_Use]:
    """Uses of keys that change their names, and are sometimes recorded without one."""
    chosen = random.Random(7)
    return [
        use(
            number,
            time=T0 + chosen.randrange(4 * HOUR),
            key=chosen.choice((F1, F2, F3, None)),
            service=chosen.choice(("shop", "stock", None)),
            route=chosen.choice(("/a/{id}", "/b", "/c", None)),
            host=chosen.choice(("one.example", "two.example", None)),
            client=chosen.choice(("192.0.2.1", "192.0.2.2", None)),
            outcome=chosen.choice(_OUTCOMES),
            duration=chosen.randrange(100) / 64,
            **{name: chosen.choice((f"{name} 1", f"{name} 2", None)) for name in _NAMES},
        )
        for number in range(400)
    ]


def _newest(column: str) -> Callable[[list[_Use]], object]:
    def tell(uses: list[_Use]) -> object:
        named = [one for one in uses if one.get(column) is not None]
        return max(named, key=lambda one: one["time"])[column] if named else None

    return tell


def _distinct(column: str) -> Callable[[list[_Use]], object]:
    return lambda uses: len({one.get(column) for one in uses} - {None})


def _with(outcome: str) -> Callable[[list[_Use]], object]:
    return lambda uses: sum(one["outcome"] == outcome for one in uses)


_TOLD: dict[str, Callable[[list[_Use]], object]] = {
    **{name: _newest(name) for name in _NAMES},
    "first_use": lambda uses: min(one["time"] for one in uses),
    "last_use": lambda uses: max(one["time"] for one in uses),
    "uses": len,
    "errors": _with("error"),
    "denials": _with("denied"),
    "rate_limited": _with("rate_limited"),
    "clients": _distinct("client"),
    "services": _distinct("service"),
    "routes": _distinct("route"),
    "hosts": _distinct("host"),
    "seconds": lambda uses: sum(one["duration"] for one in uses),
}
"""Every measure but the quantiles, worked out of the uses themselves."""


def _expected(uses: list[_Use], by: tuple[str, ...], every: int | None) -> list[tuple[Any, ...]]:
    groups: dict[tuple[Any, ...], list[_Use]] = defaultdict(list)
    for one in uses:
        time = () if every is None else (one["time"] - one["time"] % every,)
        groups[(*time, *(one.get(column) for column in by))].append(one)
    return [
        (*group, *(tell(alike) for tell in _TOLD.values()))
        for group, alike in sorted(groups.items(), key=lambda item: str(item[0]))
    ]


@pytest.mark.parametrize("quantiles", [(), ("p50",)])
@pytest.mark.parametrize(
    ("by", "every"), [(("key",), None), (("key", "service"), HOUR), ((), HOUR), ((), None)]
)
def test_a_group_is_told_of_its_uses(
    home: Path, by: tuple[str, ...], every: int | None, quantiles: tuple[str, ...]
) -> None:
    """Its newest names, its distinct values, its counts; with quantiles or without."""
    uses = _uses()
    write(home, *uses)
    time = () if every is None else ("time",)
    grouping = Grouping((*time, *by, *_TOLD, *quantiles), by, every)
    found = [tuple(row) for row in LocalSource(home).groups(Filter(), grouping).rows]
    told = [row[: len(row) - len(quantiles)] for row in found]
    assert sorted(told, key=lambda row: str(row[: len(time) + len(by)])) == _expected(
        uses, by, every
    )


def test_of_no_uses_there_are_none(home: Path) -> None:
    """Where nothing divides them, the one group that is left says so."""
    write(home, use(0))
    grouping = Grouping(("key_name", "uses", "denials", "clients", "routes"), by=())
    found = LocalSource(home).groups(Filter(keys=()), grouping)
    assert [tuple(row) for row in found.rows] == [(None, 0, 0, 0, 0)]
