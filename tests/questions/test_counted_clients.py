from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import keys, usage
from keytrail.sources import Filter, LocalSource
from keytrail.sources.source import Grouping
from questions.question_kit import F1, F2, F3, HOUR, T0, rows, use, write


def _uses(clients: int) -> list[dict[str, Any]]:
    """Uses of keys and of none, from busy and from rare clients and from none, over four hours."""
    chosen = random.Random(clients)
    addresses = [f"2001:db8::{number:x}" for number in range(clients)]
    return [
        use(
            number,
            time=T0 + chosen.randrange(4 * HOUR),
            key=chosen.choice((F1, F2, F3, None)),
            client=chosen.choice(
                (addresses[number % clients], chosen.choice(addresses[:30]), None)
            ),
            outcome=chosen.choice(("success", "denied")),
        )
        for number in range(3 * clients)
    ]


def _distinct(uses: list[dict[str, Any]], *columns: str) -> dict[tuple[Any, ...], int]:
    seen = defaultdict(set)
    for one in uses:
        told = {**one, "hour": one["time"] - one["time"] % HOUR}
        seen[tuple(told.get(column) for column in columns)].add(told.get("client"))
    return {group: len(clients - {None}) for group, clients in seen.items()}


@pytest.mark.parametrize("clients", [1, 500, 1500])
def test_clients_are_distinct_however_many_there_are(home: Path, clients: int) -> None:
    """Of each hour and key, few or many, and none where no use tells its client."""
    uses = _uses(clients)
    write(home, *uses)
    source = LocalSource(home)
    hourly = {(time, key): count for time, key, count in rows(usage(source), *_HOURLY)}
    assert hourly == _distinct(uses, "hour", "key")
    by_key = {(key,): count for key, count in rows(keys(source), "key", "clients")}
    assert by_key == _distinct(uses, "key")
    denied = [one for one in uses if one["outcome"] == "denied"]
    of_all = rows(usage(source, by=(), every="all", outcome="denied"), "uses", "clients")
    assert of_all == [(len(denied), *_distinct(denied).values())] if denied else not of_all


@pytest.mark.parametrize("listed", [0, 3, 900])
def test_of_listed_clients_those_are_counted_that_a_group_has(home: Path, listed: int) -> None:
    """One that is listed twice, or was never seen, adds nothing."""
    uses = _uses(1500)
    write(home, *uses)
    wanted = tuple(dict.fromkeys(one["client"] for one in uses if "client" in one))[:listed]
    found = LocalSource(home).groups(
        Filter(clients=(*wanted, *wanted[:2], "192.0.2.77")),
        Grouping(("key", "uses", "clients"), by=("key",)),
    )
    counted = {(key,): count for key, _, count in found.rows}
    assert counted == _distinct([one for one in uses if one.get("client") in wanted], "key")


def test_a_client_is_one_client_of_its_own(home: Path) -> None:
    """Where uses are divided by client, each row counts one, and the row without a client none."""
    write(home, use(0), use(1, client="192.0.2.9"), use(2), use(3, client=None))
    answer = usage(LocalSource(home), by=("client",), every="all")
    assert rows(answer, "client", "uses", "clients") == [
        (None, 1, 0),
        ("192.0.2.1", 2, 1),
        ("192.0.2.9", 1, 1),
    ]


_HOURLY = ("time", "key", "clients")
