from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from journal.journal_kit import (
    Receiver,
    columns_of,
    make_span,
    numbers_in,
    numbers_of,
    open_journal,
    paths_of,
)
from keytrail.journal.accounting import Reason, Snapshot
from keytrail.journal.aftermath import keep_refused
from keytrail.journal.answer import MAX_WAIT, Answer, Meaning, of_grpc, of_http
from keytrail.journal.codec import encode
from keytrail.journal.cursor import Cursor
from keytrail.journal.journal import Journal
from keytrail.journal.proof import Proof, prove
from keytrail.journal.segment import Segment
from support.waiting import eventually

DAY = 24 * 3600 * 10**9
Use = tuple[int, bool]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a failing endpoint again within half a second, so that tests end soon."""
    monkeypatch.setattr("keytrail.journal.sender.MAX_PAUSE", 0.5)


def deliver(home: Path, endpoint: str, uses: int, **settings: Any) -> Journal[Use]:
    """Return a journal that has been given ``uses`` and delivers to ``endpoint``."""
    journal = open_journal(home, otlp_endpoint=endpoint, otlp_timeout=60.0, **settings)
    for number in range(uses):
        journal.put((number, False))
    assert journal.flush(60)
    return journal


def aside(home: Path) -> list[list[Any]]:
    """Return what is kept in ``refused/``: each note, followed by its uses' numbers."""
    groups: list[list[Any]] = []
    for path in sorted((home / "refused").glob("*")):
        for line in map(json.loads, path.read_text().splitlines()):
            if "record" in line:
                groups.append([line["attributes"]])
            else:
                groups[-1].append(line["attributes"]["number"])
    return groups


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500])
def test_a_refused_use_is_kept_aside_and_does_not_block(
    home: Path, receiver: Receiver, status: int
) -> None:
    """Of a batch that is refused for three of its uses, all the others arrive."""
    receiver.poison, receiver.poisoned = {3, 4, 99}, status
    journal = deliver(home, receiver.url, 100)
    assert journal.close(60)
    assert sorted(receiver.numbers) == sorted(set(range(100)) - receiver.poison)
    assert journal.accounting.snapshot() == Snapshot(100, 97, 0, {"refused": 3})
    assert {number for _, *numbers in aside(home) for number in numbers} == receiver.poison
    assert all(note["answer"] == f"HTTP {status}" for note, *_ in aside(home))
    assert list(home.glob("live/*/*")) == []
    (note,) = map(json.loads, (home / "delivered.ndjson").read_text().splitlines())
    assert (note["uses"], note["dropped"]) == (97, {"refused": 3})


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 500])
def test_an_endpoint_that_takes_nothing_at_all_is_waited_for(
    home: Path, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong URL or an expired token empties no journal, and is told once with a next step."""
    receiver.status = status
    with caplog.at_level(logging.WARNING):
        journal = deliver(home, receiver.url, 30)
        eventually(lambda: journal_warnings(caplog, receiver))
        asked = len(receiver.paths)
        eventually(lambda: len(receiver.paths) > asked)
    assert journal.accounting.snapshot() == Snapshot(30, 0, 30, {})
    (warning,) = journal_warnings(caplog, receiver)
    assert warning.startswith(f"delivery to 127.0.0.1:{receiver.port}: HTTP {status}; uses wait")
    assert "hint: " in warning
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []
    receiver.status = 200
    eventually(lambda: sorted(receiver.numbers) == list(range(30)))
    eventually(lambda: journal.accounting.snapshot() == Snapshot(30, 30, 0, {}))


def journal_warnings(caplog: pytest.LogCaptureFixture, receiver: Receiver) -> list[str]:
    """Return what was said of one endpoint."""
    said = [record.getMessage() for record in caplog.records if record.name == "keytrail"]
    return [text for text in said if f"127.0.0.1:{receiver.port}:" in text]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(home: Path, receiver: Receiver, status: int) -> None:
    """What asks for three seconds is left alone for three seconds, and gets every use.

    Also by the exporter itself, which has time enough to try again before these are over.
    """
    receiver.status, receiver.retry_after = status, "3"
    journal = deliver(home, receiver.url, 20)
    eventually(lambda: receiver.paths)
    receiver.status = 200
    eventually(lambda: sorted(receiver.numbers) == list(range(20)))
    assert receiver.times[0] - receiver.asked[0] >= 3
    assert journal.close(60)
    assert journal.accounting.snapshot() == Snapshot(20, 20, 0, {})


def test_what_is_deleted_while_the_endpoint_is_not_to_be_asked_is_booked(
    home: Path, receiver: Receiver
) -> None:
    """The books do not wait until an endpoint that asks for time may be asked again."""
    receiver.status, receiver.retry_after = 503, "600"
    journal = deliver(home, receiver.url, 20)
    eventually(lambda: receiver.paths and len(numbers_of(home)) == 20)
    for path in paths_of(home):
        path.unlink()
    eventually(lambda: journal.accounting.drops() == {"deleted": 20})
    assert len(receiver.paths) == 1


def _waiting_since(home: Path, days: int, uses: int) -> None:
    """Leave a segment of a process that has ended before it could deliver."""
    began = time.time_ns() - days * DAY
    segment = Segment.create(home, began)
    segment.append([encode(make_span(number), columns_of(), "unknown") for number in range(uses)])
    Cursor.create(segment.path).close()
    segment.close()
    os.utime(segment.path, ns=(began, began))


@pytest.mark.parametrize(
    ("bounds", "reason"), [({}, "expired"), ({"journal_bytes": 9000}, "journal_full")]
)
def test_what_a_bound_takes_before_it_is_delivered_is_booked_by_that_bound(
    home: Path, receiver: Receiver, bounds: dict[str, int], reason: Reason
) -> None:
    """Whoever deletes a segment knows why, and whoever would have delivered it books it so."""
    _waiting_since(home, 31 if reason == "expired" else 29, 30)
    receiver.status, receiver.retry_after = 503, "600"
    journal = open_journal(home, otlp_endpoint=receiver.url, **bounds)
    eventually(lambda: receiver.paths)
    for number in (30, 31):
        journal.put((number, False))
        assert journal.flush(60)
        eventually(lambda: journal.accounting.drops() == {reason: 30})
    assert journal.accounting.snapshot() == Snapshot(32, 0, 2, {reason: 30})
    journal.put((32, False))
    assert journal.flush(60)
    assert prove(home) == Proof(waiting=3, dropped=Counter({reason: 30}))


def test_a_partial_success_is_counted_and_kept_aside(home: Path, receiver: Receiver) -> None:
    """Nobody says which were rejected: they are counted, and the batch is kept to look at."""
    receiver.rejects = 2
    journal = deliver(home, receiver.url, 10)
    assert journal.close(60)
    requests = len(aside(home))
    assert sorted(receiver.numbers) == list(range(10))
    assert journal.accounting.snapshot() == Snapshot(
        10, 10 - 2 * requests, 0, {"refused": 2 * requests}
    )
    note, *numbers = aside(home)[0]
    assert note == {
        "uses": len(numbers),
        "endpoint": f"127.0.0.1:{receiver.port}",
        "answer": "HTTP 200",
        "rejected": 2,
    }


def test_a_web_page_is_no_delivery() -> None:
    """A portal that answers everything with 200 and a page has taken nothing."""
    answer = of_http(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")
    assert answer == Answer("closed", "HTTP 200 with a web page")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, "taken"),
        (202, "taken"),
        (301, "closed"),
        (400, "refused"),
        (401, "closed"),
        (403, "doubtful"),
        (404, "closed"),
        (408, "later"),
        (413, "refused"),
        (429, "later"),
        (431, "refused"),
        (500, "doubtful"),
        (502, "later"),
        (503, "later"),
        (504, "later"),
    ],
)
def test_what_an_http_status_means(status: int, meaning: Meaning) -> None:
    """What OTLP calls retryable waits; what is final is told apart by what it may be about."""
    assert of_http(status, {}, b"").meaning == meaning


def test_a_wait_may_be_a_date_and_is_bounded() -> None:
    """``Retry-After`` is seconds or a date; what asks for a year or for nonsense is not obeyed."""
    assert of_http(503, {"Retry-After": "99999999"}, b"").wait == MAX_WAIT
    assert of_http(503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, b"").wait == 0
    assert of_http(503, {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}, b"").wait == MAX_WAIT
    assert of_http(503, {"Retry-After": "soon"}, b"").wait == 0


@pytest.mark.parametrize(
    ("code", "delay", "expected"),
    [
        ("UNAVAILABLE", None, Answer("later", "gRPC UNAVAILABLE")),
        ("UNAVAILABLE", 2.0, Answer("later", "gRPC UNAVAILABLE", wait=2.0)),
        ("RESOURCE_EXHAUSTED", 1.0, Answer("later", "gRPC RESOURCE_EXHAUSTED", wait=1.0)),
        ("RESOURCE_EXHAUSTED", None, Answer("doubtful", "gRPC RESOURCE_EXHAUSTED")),
        ("UNAUTHENTICATED", None, Answer("closed", "gRPC UNAUTHENTICATED")),
        ("INVALID_ARGUMENT", None, Answer("refused", "gRPC INVALID_ARGUMENT")),
        ("INTERNAL", None, Answer("doubtful", "gRPC INTERNAL")),
    ],
)
def test_what_a_grpc_status_means(code: str, delay: float | None, expected: Answer) -> None:
    """As over HTTP; exhausted resources wait only where the endpoint says that they come back."""
    assert of_grpc(code, delay) == expected


class Picky(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP/gRPC receiver that answers as it is told."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.poison: set[int] = set()
        self.code: grpc.StatusCode | None = None
        self.rejects = 0
        self.asked: list[float] = []

    def Export(  # noqa: N802 - the name in the protocol
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self.asked.append(time.monotonic())
        numbers = numbers_in(request)
        if self.code is not None:
            delay = RetryInfo(retry_delay=Duration(seconds=2)).SerializeToString()
            context.set_trailing_metadata([("google.rpc.retryinfo-bin", delay)])
            context.abort(self.code, "not now")
        if self.poison & set(numbers):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not this")
        self.numbers += numbers
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = self.rejects if numbers else 0
        return response


@contextmanager
def serving(picky: Picky) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(picky, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None)


def test_over_grpc_a_refused_use_does_not_block_either(home: Path) -> None:
    """INVALID_ARGUMENT for one use: the others arrive, it is kept aside."""
    picky = Picky()
    picky.poison = {7}
    with serving(picky) as endpoint:
        journal = deliver(home, endpoint, 20, otlp_protocol="grpc")
        assert journal.close(60)
    assert sorted(picky.numbers) == [number for number in range(20) if number != 7]
    assert journal.accounting.snapshot() == Snapshot(20, 19, 0, {"refused": 1})
    ((note, *numbers),) = aside(home)
    assert (note["answer"], numbers) == ("gRPC INVALID_ARGUMENT", [7])


def test_over_grpc_a_partial_success_is_heard(home: Path) -> None:
    """The rejected ones are counted, not taken for delivered."""
    picky = Picky()
    picky.rejects = 1
    with serving(picky) as endpoint:
        journal = deliver(home, endpoint, 5, otlp_protocol="grpc")
        assert journal.close(60)
    requests = len(aside(home))
    assert journal.accounting.snapshot() == Snapshot(5, 5 - requests, 0, {"refused": requests})


def test_over_grpc_a_wait_is_obeyed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``RetryInfo`` of two seconds: nothing is asked before, nothing is lost."""
    monkeypatch.setattr("opentelemetry.exporter.otlp.proto.grpc.exporter._MAX_RETRYS", 1)
    picky = Picky()
    picky.code = grpc.StatusCode.RESOURCE_EXHAUSTED
    with serving(picky) as endpoint:
        journal = deliver(home, endpoint, 5, otlp_protocol="grpc")
        eventually(lambda: picky.asked)
        picky.code = None
        eventually(lambda: sorted(picky.numbers) == list(range(5)))
        assert picky.asked[-1] - picky.asked[0] >= 2
        assert journal.close(60)
    assert journal.accounting.snapshot() == Snapshot(5, 5, 0, {})


def test_what_is_kept_aside_is_bounded(
    home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that refuses every use fills no disk; each of them is counted all the same."""
    monkeypatch.setattr("keytrail.journal.aftermath.MAX_REFUSED_BYTES", 5_000)
    receiver.poison = set(range(200))
    journal = deliver(home, receiver.url, 200)
    assert journal.close(60)
    assert journal.accounting.snapshot() == Snapshot(200, 0, 0, {"refused": 200})
    assert 0 < sum(path.stat().st_size for path in (home / "refused").iterdir()) <= 5_000


def test_what_another_process_has_let_go_is_not_missed(home: Path) -> None:
    """A file that is gone between its name and its size, as behind this link, ends nothing."""
    (home / "refused").mkdir(parents=True)
    (home / "refused" / "gone").symlink_to("nowhere")
    keep_refused(home, "a.ndjson", [b"refused\n"])
    assert (home / "refused" / "a.ndjson").read_bytes().endswith(b"\nrefused\n")
