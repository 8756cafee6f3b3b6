from __future__ import annotations

from pathlib import Path

from keytrail.questions import flow
from keytrail.sources import LocalSource
from questions.question_kit import F1, F2, F3, SECOND, T0, chain, rows, use

_SHOWN = ("key", "service", "host", "behalf_key", "behalf_owner", "behalf_client", "uses")


def test_a_key_is_sent_on_behalf_of_who_called(home: Path) -> None:
    """Which key goes from which service to which host, and whose call it was."""
    chain(home)
    answer = flow(LocalSource(home))
    assert list(answer.rows) == [
        (
            *(F2, None, "stock key", "Platform", None, "shop", "stock.internal"),
            *(F1, "corvo", "Corvo", "198.51.100.7"),
            *(T0 + SECOND, T0 + SECOND, 1, 0, 0),
        )
    ]


def test_who_acts_of_its_own_accord_has_nobody_behind_it(home: Path) -> None:
    """A job, a call without a trace in common, a call of another service: none is on behalf."""
    job = {"direction": "outgoing", "key": F3, "client": None}
    chain(
        home, [use(5, **job, service="cron"), use(6, **job, trace_id=f"{0xABC:032x}", service="x")]
    )
    assert rows(flow(LocalSource(home), key=F3), *_SHOWN) == [
        (F3, "x", "api.example.com", None, None, None, 1),
        (F3, "cron", "api.example.com", None, None, None, 1),
    ]


def test_the_call_that_began_last_is_the_one_behind(home: Path) -> None:
    """A service may be entered several times in one trace."""
    again = {"trace_id": f"{0xABC:032x}", "service": "shop"}
    sent = use(11, **again, key=F3, direction="outgoing", span_id="c" * 16, host="h")
    chain(home, [use(10, **again, key="e" * 64, span_id="b" * 16, client="10.9.9.9"), sent])
    assert rows(flow(LocalSource(home), key=F3), *_SHOWN) == [
        (F3, "shop", "h", "e" * 64, None, "10.9.9.9", 1)
    ]
