from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from journal.journal_kit import lines_of
from keytrail.journal import strangers
from keytrail.journal.journal import Journal
from keytrail.journal.segment import Segment, segments
from keytrail.journal.strangers import Strangers
from keytrail.settings import Settings
from support.told import Books, told, waiting_on_disk
from support.waiting import eventually

MIB = 1024 * 1024


def line(
    number: int,
    outcome: str,
    *,
    key: str | None = "a" * 64,
    direction: str = "incoming",
    **more: Any,
) -> bytes:
    """Return a use as the codec writes it."""
    use = {"time": number, "key": key, "direction": direction, "outcome": outcome, **more}
    told = {name: value for name, value in use.items() if value is not None}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def numbers_at(lines: list[dict[str, Any]], path: str) -> list[int]:
    found = (re.fullmatch(rf"/{path}/(\d+)", use.get("path", "")) for use in lines)
    return sorted(int(match[1]) for match in found if match)


def folded_in(lines: list[dict[str, Any]]) -> int:
    return sum(one["attributes"]["uses"] for one in lines if one.get("reason") == "folded")


def test_a_flood_of_guessed_keys_loses_no_success(home: Path) -> None:
    """More than the journal holds is denied: every success is there, every guess is counted."""
    with told(home, "http://127.0.0.1:9", KEYTRAIL_JOURNAL_BYTES=str(MIB)) as service:
        service.tell("use", 0, 50)
        service.tell("guess", 0, 1300)
        service.tell("use", 50, 100)
        assert service.tell("flush")
        assert sum(found.size for found in segments(home)) <= MIB
        eventually(lambda: service.books().waiting == waiting_on_disk(home))
        books = service.books()
        errors = service.end()
    lines = lines_of(home)
    folded = folded_in(lines)
    assert numbers_at(lines, "orders") == list(range(100))
    assert len(numbers_at(lines, "denied")) + folded == 1300
    assert folded > 100
    assert books == Books(1400, 0, 1400 - folded, {"folded": folded})
    assert errors.count("uses were dropped: folded") == 1


def test_strangers_make_room_before_everything_else(home: Path) -> None:
    """Their segments go first, the oldest before the younger, though others are older still."""
    settings = Settings(home=home, journal_bytes=100_000, journal_interval=0.02)
    journal: Journal[bytes] = Journal(settings, list, {})
    padding = {"user_agent": "x" * 200, "path": "/", "route": "/denied"}
    for number in range(50):
        journal.put(line(number, "success", **padding))
    for number in range(100):
        journal.put(line(number, "denied", key=f"{number:064x}", **padding))
        assert number % 10 or journal.flush(60)
    for number in range(50, 200):
        journal.put(line(number, "success", **padding))
        assert number % 10 or journal.flush(60)
    assert journal.close(60)
    lines = lines_of(home)
    times = {
        outcome: sorted(one["time"] for one in lines if one.get("outcome") == outcome)
        for outcome in ("success", "denied")
    }
    gone = folded_in(lines)
    assert gone > 20
    assert times == {"success": list(range(200)), "denied": list(range(gone, 100))}
    assert journal.accounting.drops() == {"folded": gone}
    told_of = next(one["attributes"] for one in lines if one.get("reason") == "folded")
    assert (told_of["uses"], told_of["first"]) == (told_of["keys"], 0)
    assert told_of["by_route"] == {"/denied": told_of["uses"]}


def test_who_is_a_stranger(home: Path) -> None:
    """Only an incoming denied use of a key that never succeeded and that nobody names is one."""
    succeeded, guessed = "b" * 64, "c" * 64
    others = [
        line(1, "success", key=succeeded),
        line(2, "denied", key=succeeded),
        line(3, "denied", key=guessed, direction="outgoing"),
        line(4, "denied", key=guessed, owner="Corvo Coffee"),
        line(5, "denied", key=guessed, key_name="orders-ci"),
        line(6, "error", key=guessed),
        line(7, "unknown", key=guessed, span_id="1" * 16),
        line(8, "denied", key=guessed, span_id="1" * 16),
    ]
    expected = [line(9, "denied", key=guessed), line(10, "denied", key=None)]
    assert Strangers(home).part([*others, *expected]) == (others, expected)


def test_what_succeeded_in_the_journal_is_no_stranger(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that succeeded before, or in another process, is known within a minute."""
    monkeypatch.setattr(strangers, "_SECONDS_BETWEEN_LOOKS", 0)
    denied = line(2, "denied")
    apart = Strangers(home)
    assert apart.part([denied]) == ([], [denied])
    segment = Segment.create(home, 1)
    segment.append([line(1, "success")])
    assert apart.part([denied]) == ([denied], [])


def test_a_line_that_was_being_written_is_read_when_it_has_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at half a success does not cost the whole."""
    monkeypatch.setattr(strangers, "_SECONDS_BETWEEN_LOOKS", 0)
    denied, success = line(2, "denied"), line(1, "success")
    apart = Strangers(home)
    segment = Segment.create(home, 1)
    segment.append([success[:40]])
    assert apart.part([denied]) == ([], [denied])
    segment.append([success[40:]])
    assert apart.part([denied]) == ([denied], [])


def test_what_is_remembered_of_strangers_is_bounded(home: Path) -> None:
    """A flood of random keys takes no more memory than a few thousand names."""
    apart = Strangers(home)
    apart.fold([line(number, "denied", key=f"{number:064x}") for number in range(1, 5001)])
    (record,) = map(json.loads, apart.records(7))
    assert record["attributes"]["uses"] == 5000
    assert record["attributes"]["keys"] == strangers.MAX_TELLINGS
    assert (record["attributes"]["first"], record["attributes"]["last"]) == (1, 5000)
    apart.told()
    assert apart.records(8) == []
