from __future__ import annotations

from pathlib import Path

import pytest

from keytrail.questions import QuestionError, leak
from keytrail.sources import LocalSource
from keytrail.store.moments import rfc3339
from questions.question_kit import F1, F2, F3, SECOND, T0, chain, rows, table, use, write


def test_everything_that_a_key_did(home: Path) -> None:
    """Its uses, and a table for each thing that they show."""
    chain(home)
    answer = leak(LocalSource(home), key=F1)
    assert rows(answer, "time", "client") == [(T0, "198.51.100.7")]
    assert rows(table(answer, "key"), "key", "direction", "uses") == [(F1, "incoming", 1)]
    assert rows(table(answer, "timeline"), "time", "uses", "after") == [(T0, 1, None)]
    assert rows(table(answer, "clients"), "client", "uses", "new") == [("198.51.100.7", 1, None)]
    assert rows(table(answer, "caused"), "key", "service", "host", "behalf_key") == [
        (F2, "shop", "stock.internal", F1)
    ]
    assert {one.name: len(one.rows) for one in answer.tables} == {
        "key": 1,
        "timeline": 1,
        "clients": 1,
        "touched": 0,
        "other_keys": 0,
        "caused": 1,
        "sent": 0,
        "ends": 0,
        "beside": 0,
        "redacted": 0,
    }
    assert answer.completeness.worth == "exact"


def test_an_answer_is_for_the_time_that_was_asked_for(home: Path) -> None:
    """Though parts of it look further: which clients are new, and the other ends of calls."""
    chain(home)
    since, until = rfc3339(T0), rfc3339(T0 + SECOND)
    worth = leak(LocalSource(home), key=F2, since=since, until=until).completeness
    assert (worth.worth, worth.begins, worth.ends) == ("exact", T0, T0 + SECOND)


def test_both_ends_of_a_call_with_the_key(home: Path) -> None:
    """Who sent it, and who received it."""
    chain(home)
    answer = leak(LocalSource(home), key=F2)
    assert rows(table(answer, "ends"), "service", "key", "host", "received_by", "received_key") == [
        ("shop", F2, "stock.internal", "stock", F2)
    ]
    assert rows(table(answer, "sent"), "service", "host", "behalf_key", "uses") == [
        ("shop", "stock.internal", F1, 1)
    ]


def test_clients_and_hours_after_the_leak_are_told_apart(home: Path) -> None:
    """A client is new if it was never seen with the key before, whatever time is asked for."""
    hour = 3600 * SECOND
    write(
        home,
        use(0, client="192.0.2.1"),
        use(1, time=T0 + hour, client="192.0.2.1"),
        use(2, time=T0 + hour, client="203.0.113.9"),
    )
    answer = leak(
        LocalSource(home), key=F1, at="2025-11-25T19:00:00Z", since="2025-11-25T18:30:00Z"
    )
    assert rows(table(answer, "clients"), "client", "new") == [
        ("192.0.2.1", False),
        ("203.0.113.9", True),
    ]
    assert rows(table(answer, "timeline"), "time", "uses", "after") == [(T0 + hour, 2, True)]
    assert answer.question["at"] == "2025-11-25T19:00:00.000000000Z"


def test_what_else_the_same_clients_did(home: Path) -> None:
    """Other keys, and calls without one, from the addresses that used this key."""
    write(
        home,
        use(0, client="203.0.113.9"),
        use(1, key=F2, client="203.0.113.9", route="/admin", outcome="denied"),
        use(2, key=None, client="203.0.113.9", route="/login"),
        use(3, key=F3, client="192.0.2.99"),
    )
    answer = leak(LocalSource(home), key=F1)
    assert rows(table(answer, "touched"), "client", "route", "uses", "denials") == [
        ("203.0.113.9", "/login", 1, 0),
        ("203.0.113.9", "/admin", 1, 1),
    ]
    assert rows(table(answer, "other_keys"), "key") == [(None,), (F2,)]


def test_where_it_was_redacted_and_beside_which_key_it_came(home: Path) -> None:
    """A leak in a log or in the call of another key leads back to it."""
    write(
        home,
        use(0, key=F2, attributes={"keytrail.redacted_hashes": [F3, F1]}, service="billing"),
        use(1, key=F2, attributes={"keytrail.key.other_hashes": [F1]}),
        use(2, key=F2, attributes={"keytrail.redacted_hashes": [F3]}),
    )
    answer = leak(LocalSource(home), key=F1)
    assert list(answer.rows) == []
    assert rows(table(answer, "redacted"), "time", "service") == [(T0, "billing")]
    assert rows(table(answer, "beside"), "time") == [(T0 + SECOND,)]


def test_a_limit_makes_the_answer_truncated(home: Path) -> None:
    """The tables still count every use."""
    write(home, *map(use, range(5)))
    answer = leak(LocalSource(home), key=F1, limit=2)
    assert len(list(answer.rows)) == 2
    assert rows(table(answer, "key"), "uses") == [(5,)]
    assert answer.completeness.worth == "truncated"


def test_no_key_is_no_question(home: Path) -> None:
    """A hint says how to give one."""
    with pytest.raises(QuestionError) as caught:
        leak(LocalSource(home))
    assert str(caught.value) == "whose leak? no key is given\nhint: pipe it in, or name it by --key"
