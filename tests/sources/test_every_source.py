"""The same question gives the same rows, whatever holds the uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from keytrail import questions
from keytrail.questions import Answer
from keytrail.sources import LocalSource, Source
from keytrail.store.moments import rfc3339
from sources.seeded import BEGIN, F3, F4, MINUTE, OLD
from support.cases import F1, F2


def _after(minutes: float) -> str:
    return rfc3339(BEGIN + int(minutes * MINUTE))


_ASKED: list[tuple[str, dict[str, Any]]] = [
    ("keys", {}),
    ("keys", {"outcome": "denied"}),
    ("keys", {"client": "192.0.2.0/30", "direction": "incoming"}),
    ("uses", {"key": F1}),
    ("leak", {"key": F1, "at": _after(30)}),
    ("leak", {"key": F4, "limit": 5}),
    ("uses", {"key": F3}),
    ("uses", {"key": OLD}),
    ("uses", {"key": OLD[:10], "since": _after(20)}),
    ("uses", {"key": F2[:8]}),
    ("uses", {"key": "AKIAIOSFODNN7EXAMPLE"}),
    ("uses", {"key": "e" * 64}),
    ("uses", {"since": _after(40), "until": _after(70), "service": "billing", "status": "4xx"}),
    ("uses", {"finding": "wrong_host"}),
    ("uses", {"trace": "000000000000000000000000000000ab"}),
    ("uses", {"route": "/pay", "where": ["method=GET", "owner=acme"]}),
    ("keys", {"outcome": "unknown"}),
    ("uses", {"route": "/orders/31"}),
    ("usage", {"owner": "nobody", "every": "all", "by": ("service",)}),
    ("flow", {"owner": "nobody"}),
    ("compare", {"since": _after(5), "until": _after(101), "where": ["key_name=for now"]}),
    ("usage", {"every": "hour"}),
    ("usage", {"every": "all", "by": ("service", "route")}),
    ("flow", {}),
    ("flow", {"key": F4}),
    ("compare", {"since": _after(50), "until": _after(101), "by": ("client",)}),
]


def _ask(source: Source, name: str, options: dict[str, Any]) -> Answer:
    answer: Answer = getattr(questions, name)(source, **{"since": _after(0), **options})
    return answer


_SOURCES = ("jaeger_memory", "tempo", "clickhouse", "clickhouse_migrated")
_VARIANTS = ("jaeger_badger", "clickhouse_json", "clickhouse_json_migrated")
_ASKED_OF_VARIANTS = ("keys", "usage", "flow", "leak")


def _asked() -> Iterator[Any]:
    """Yield every question to every source, and what reads most to its variants."""
    for number, (name, options) in enumerate(_ASKED):
        for source in _SOURCES:
            yield pytest.param(source, name, options, id=f"{source}-{name}-{number}")
    for name in _ASKED_OF_VARIANTS:
        options = next(given for asked, given in _ASKED if asked == name)
        for source in _VARIANTS:
            yield pytest.param(source, name, options, id=f"{source}-{name}")
    for number, options in enumerate(({"finding": "wrong_host"}, {"key": OLD[:10]})):
        migrated = "clickhouse_json_migrated"
        yield pytest.param(migrated, "uses", options, id=f"{migrated}-uses-{number}")


@pytest.mark.parametrize(("address", "name", "options"), tuple(_asked()), indirect=["address"])
def test_the_rows_are_those_of_the_journal(
    truth: LocalSource, source: Source, name: str, options: dict[str, Any]
) -> None:
    """Every column of every row, through OTLP, a Collector and the backend."""
    expected, found = _ask(truth, name, options), _ask(source, name, options)
    assert found.columns == expected.columns
    assert [*map(_rounded, found.rows)] == [*map(_rounded, expected.rows)]
    for ours, theirs in zip(expected.tables, found.tables, strict=True):
        assert [*map(_rounded, theirs.rows)] == [*map(_rounded, ours.rows)], ours.name


def _rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Backends have durations in whole microseconds."""
    return tuple(round(value, 5) if isinstance(value, float) else value for value in row)
