"""Where Jaeger lies, and what is told instead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from keytrail.questions import flow, keys, uses
from keytrail.settings import Settings
from keytrail.sources import Limits, LocalSource, connect, swept
from keytrail.sources.source import DAY
from keytrail.store.moments import rfc3339
from sources import seeded, servers
from sources.seeded import BEGIN, F3
from support.cases import F1, K1
from support.servers import listening
from support.waiting import eventually

Answer = Callable[[str, dict[str, str]], tuple[int, str]]


@contextmanager
def _answering(answer: Answer) -> Iterator[str]:
    """Run a server that answers as a broken Jaeger does; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body = answer(parts.path, query)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as port:
        yield f"jaeger+http://127.0.0.1:{port}"


def _span(number: int, moment: int, **tags: Any) -> dict[str, Any]:
    """Return a trace of one span, its id without the zeros at its beginning."""
    told = {"keytrail.schema_version": "1.0", "keytrail.key.hash": F1, **tags}
    return {
        "traceID": f"{number:x}",
        "processes": {"p1": {"serviceName": "shop"}},
        "spans": [
            {
                "traceID": f"{number:x}",
                "spanID": f"{number:x}",
                "processID": "p1",
                "startTime": moment // 1000,
                "duration": 5,
                "references": [],
                "tags": [{"key": key, "value": value} for key, value in told.items()],
            }
        ],
    }


@pytest.mark.parametrize("limit", [3, 20])
def test_a_limit_is_never_taken_for_the_end(
    truth: LocalSource, jaeger_memory: str, limit: int
) -> None:
    """A window with as many traces as the limit is cut until it has fewer."""
    source = connect(Settings(), f"{jaeger_memory}?limit={limit}")
    expected = [row[0] for row in uses(truth, key=F3).rows]
    assert [row[0] for row in uses(source, key=F3, since="1d").rows] == expected


def test_an_answer_is_never_exact(jaeger_memory: str) -> None:
    """Jaeger does not tell what it has forgotten; from where on it was searched is told."""
    source = connect(Settings(), f"{jaeger_memory}?lookback=3d")
    worth = keys(source).completeness
    assert worth.worth == "bounded"
    assert worth.begins == pytest.approx(worth.ends - 3 * DAY)
    assert worth.reasons == (
        "as far back as Jaeger has kept its spans, which it does not tell",
        "keys were fingerprinted under 2 peppers (8805e1a2, aaaaaaaa): one key may appear as "
        "several",
    )


def test_a_filter_that_is_ignored_is_applied_here() -> None:
    """Whatever is sent back, only what was asked for counts, once, with its whole ids."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["shop", "billing"]})
        spans = [_span(1, BEGIN), _span(2, BEGIN, **{"keytrail.key.hash": F3}), _span(1, BEGIN)]
        return 200, json.dumps({"data": spans})

    with _answering(answer) as address:
        rows = list(uses(connect(Settings(), address), key=F1, where=["service=shop"]).rows)
    assert [(row[0], row[-5], row[-4]) for row in rows] == [(BEGIN, f"{1:032x}", f"{1:016x}")]


def test_more_in_a_microsecond_than_it_tells_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that cannot be cut any further, and is still full, is told."""
    monkeypatch.setattr("keytrail.sources.jaeger._MOST", 9)
    full = [_span(number, BEGIN) for number in range(1, 4)]

    def answer(path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["shop"]})
        holds = int(query["start"]) <= BEGIN // 1000 <= int(query["end"])
        return 200, json.dumps({"data": full * (int(query["limit"]) // 3 + 1) if holds else []})

    with _answering(answer) as address:
        found = uses(connect(Settings(), f"{address}?limit=2"), key=F1, since="1d")
    assert len(list(found.rows)) == 3
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == ("shop has more traces in a microsecond than it tells")


def test_a_limit_above_its_own_is_lowered(tmp_path: Path) -> None:
    """A Jaeger that keeps few traces in memory refuses to be asked for more."""
    with servers.jaeger(tmp_path, "{memory: {max_traces: 300}}") as (at, otlp):
        port = int(otlp.rpartition(":")[2])
        servers.send(port, seeded.requests()[:1])
        sent = 100 - len(seeded.running())
        eventually(lambda: len([*uses(connect(Settings(), at), since="1d").rows]) == sent)


def test_a_cap_that_it_does_not_tell_is_seen() -> None:
    """It gives thirty traces, however many it was asked for."""
    moments = [BEGIN + number * 1_000_000 for number in range(500)]

    def answer(path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["shop"]})
        begin, end = int(query["start"]), int(query["end"])
        found = [
            _span(number, moment)
            for number, moment in enumerate(moments, 1)
            if begin <= moment // 1000 <= end and "keytrail.key.hash" in query["tags"]
        ]
        return 200, json.dumps({"data": found[:30]})

    with _answering(answer) as address:
        found = uses(connect(Settings(), address), key=F1, since="1d")
    assert len([*found.rows]) == 500
    assert found.completeness.worth == "bounded"


def test_nothing_found_may_be_told_as_not_found() -> None:
    """In Jaeger's own words; any other 404 is an error."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["shop"]})
        return 404, json.dumps({"data": None, "errors": [{"code": 404, "msg": "not found"}]})

    with _answering(answer) as address:
        assert [*uses(connect(Settings(), address), key=F1).rows] == []
        assert [*uses(connect(Settings(), address), trace="ab" * 16).rows] == []


def test_an_answer_with_errors_is_truncated() -> None:
    """A storage that could read a part of the traces."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["shop"]})
        return 200, json.dumps({"data": [_span(1, BEGIN)], "errors": [{"code": 500, "msg": "x"}]})

    with _answering(answer) as address:
        found = uses(connect(Settings(), address), key=F1, since="1d")
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == "Jaeger could not give all that it found"


def test_a_service_alone_is_asked_for() -> None:
    """Others cannot have its uses."""
    asked: list[str] = []

    def answer(path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "/api/services":
            return 200, json.dumps({"data": ["billing", "shop"]})
        asked.append(query["service"])
        return 200, json.dumps({"data": None})

    with _answering(answer) as address:
        assert [*keys(connect(Settings(), address), service="shop").rows] == []
        assert [*keys(connect(Settings(), address), service="none").rows] == []
    assert asked == ["shop"]


def test_a_key_that_was_looked_for_in_part_only_is_truncated(jaeger_memory: str) -> None:
    """Which key is meant is asked first; that this was cut short is in every answer."""
    source = connect(Settings(), jaeger_memory, Limits(rows=1))
    found = uses(source, key="12345678", since="1d")
    assert [*found.rows] == []
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[:2] == (
        "which key is meant was looked for in a part of the uses only: give its whole fingerprint, "
        "the key itself or its public id",
        "stopped after 1 use",
    )


def test_digits_that_it_cannot_look_for_read_no_more_than_a_bound(
    jaeger_memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is told; a whole fingerprint is asked for as it is, and reads its own uses alone."""
    monkeypatch.setattr(swept, "_MOST_FOR_DIGITS", 5)
    found = uses(connect(Settings(), jaeger_memory), key=F1[:8], since="1d")
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[1] == "stopped after 5 uses"
    assert uses(connect(Settings(), jaeger_memory), key=F1).completeness.worth == "bounded"


def test_the_time_before_a_moment_is_searched_as_far_back_from_there() -> None:
    """Not from now: a time that ended long ago would be no time at all."""
    asked: list[dict[str, str]] = []

    def answer(path: str, query: dict[str, str]) -> tuple[int, str]:
        asked.append(query)
        return 200, json.dumps({"data": ["shop"] if path == "/api/services" else []})

    with _answering(answer) as address:
        worth = keys(connect(Settings(), f"{address}?lookback=3d"), until="2025-11-25").completeness
    assert (rfc3339(worth.begins or 0)[:10], rfc3339(worth.ends)[:10]) == (
        "2025-11-22",
        "2025-11-25",
    )
    assert int(asked[-1]["start"]) == (worth.begins or 0) // 1000


def test_what_is_to_come_is_in_no_answer(jaeger_memory: str) -> None:
    """An answer ends now, also where it was asked for longer."""
    worth = keys(connect(Settings(), jaeger_memory), until="2999-01-01").completeness
    assert worth.ends < time.time_ns()


def test_no_more_uses_are_read_than_allowed(jaeger_memory: str) -> None:
    """As many as the limit are not more."""
    source = connect(Settings(), jaeger_memory, Limits(rows=7))
    assert len([*uses(source, since="1d").rows]) <= 7


def test_something_else_than_a_fingerprint_is_told_and_never_shown() -> None:
    """A Collector that put the key where its hash belongs."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, str]:
        raw = _span(1, BEGIN, **{"keytrail.key.hash": K1})
        return 200, json.dumps({"data": ["shop"] if path == "/api/services" else [raw]})

    with _answering(answer) as address:
        found = uses(connect(Settings(), address))
    (row,) = found.rows
    assert row[1] is None
    assert found.completeness.reasons[1] == (
        "1 span has something else than a fingerprint as its key: see to the service or Collector "
        "that it comes from"
    )


def test_a_trace_that_is_evicted_between_search_and_reading_is_truncated() -> None:
    """Its calls are in no flow any more; one that was never found is no loss."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, str]:
        if path.startswith("/api/traces/"):
            return 404, '{"data": null, "errors": [{"code": 404, "msg": "trace not found"}]}'
        sent = _span(1, BEGIN, **{"keytrail.direction": "outgoing", "keytrail.key.hash": F1})
        return 200, json.dumps({"data": ["shop"] if path == "/api/services" else [sent]})

    with _answering(answer) as address:
        lost = flow(connect(Settings(), address))
        absent = uses(connect(Settings(), address), trace="ab" * 16)
    assert (lost.completeness.worth, absent.completeness.worth) == ("truncated", "bounded")
    assert lost.completeness.reasons[0] == (
        "traces were found, and not given any more: their backend forgets them"
    )


def test_an_empty_jaeger_has_no_uses() -> None:
    """`data: null` is what it says then."""
    with _answering(lambda *_: (200, '{"data": null}')) as address:
        assert list(keys(connect(Settings(), address)).rows) == []


def test_seeded_uses_are_many_enough() -> None:
    """What is compared holds every kind."""
    assert {use["outcome"] for use in seeded.uses()} == {
        *("success", "denied", "error", "rate_limited"),
    }
