from __future__ import annotations

import json
import os
import signal
import time
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
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
    open_journal,
    paths_of,
    receiving,
    start_python,
)
from keytrail.journal.accounting import Snapshot
from keytrail.journal.codec import encode
from keytrail.journal.cursor import Cursor, confirmed
from keytrail.journal.journal import Journal
from keytrail.journal.segment import Segment
from support.waiting import eventually

Use = tuple[int, bool]


def open_delivering(home: Path, receiver: Receiver, **settings: Any) -> Journal[Use]:
    """Return a journal that delivers to ``receiver``."""
    return open_journal(home, **({"otlp_endpoint": receiver.url, "otlp_timeout": 60.0} | settings))


def left_of(home: Path) -> list[str]:
    """Return the names of what is left of a journal's segments and sidecars."""
    return sorted(path.suffix for path in home.glob("live/*/*"))


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a failing endpoint again within half a second, so that tests end soon."""
    monkeypatch.setattr("keytrail.journal.sender.MAX_PAUSE", 0.5)


@pytest.fixture(autouse=True)
def _counted(counted_faults: None) -> None:
    """Endpoints fail here on purpose."""


def test_every_use_arrives_once_and_the_segment_goes(home: Path, receiver: Receiver) -> None:
    """After an orderly end nothing is left but the note of what went where."""
    journal = open_delivering(home, receiver)
    for number in range(1200):
        journal.put((number, False))
    eventually(lambda: paths_of(home))
    segment = paths_of(home)[0].name
    assert journal.close(60)
    assert sorted(receiver.numbers) == list(range(1200))
    assert receiver.paths[0] == "/v1/traces"
    assert journal.accounting.snapshot() == Snapshot(1200, 1200, 0, {})
    assert left_of(home) == []
    (note,) = map(json.loads, (home / "delivered.ndjson").read_text().splitlines())
    assert note.pop("time") > note["last"]
    assert note == {
        "endpoint": f"127.0.0.1:{receiver.port}",
        "segment": segment,
        "uses": 1200,
        "dropped": {},
        "first": make_span(0).start_time,
        "last": make_span(1199).start_time,
    }


def test_an_open_segment_is_delivered_behind_its_writer(home: Path, receiver: Receiver) -> None:
    """A use need not wait for its segment to end."""
    journal = open_delivering(home, receiver)
    for number in range(3):
        journal.put((number, False))
        eventually(lambda: number in receiver.numbers)  # noqa: B023
    assert receiver.numbers == [0, 1, 2]
    eventually(lambda: journal.accounting.snapshot() == Snapshot(3, 3, 0, {}))
    assert left_of(home) == [".cursor", ".ndjson"]
    assert journal.close(60)


def test_each_who_asks_for_a_delivery_is_told(home: Path, receiver: Receiver) -> None:
    """Also where several ask at the same moment."""
    journal = open_delivering(home, receiver)
    journal.put((0, False))
    with futures.ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(journal.deliver, 60) for _ in range(200)]
        assert all(one.result() for one in asked)
    assert receiver.numbers == [0]
    assert journal.close(60)


def test_what_the_ordinary_pipeline_brought_is_not_sent_again(
    home: Path, receiver: Receiver
) -> None:
    """Once per destination: accepted uses count as delivered, the others are sent."""
    journal = open_delivering(home, receiver)
    for number in range(100):
        journal.put((number, number % 2 == 0))
    journal.accepted([(number + 1, number + 1) for number in range(0, 100, 2)])
    assert journal.close(60)
    assert sorted(receiver.numbers) == list(range(1, 100, 2))
    assert journal.accounting.snapshot() == Snapshot(100, 100, 0, {})
    assert left_of(home) == []


def test_a_sampled_use_is_held_back_and_does_not_block_the_others(
    home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A use that the ordinary pipeline may bring waits two batch delays; the rest does not."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "700000")
    later = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later[0])
    monkeypatch.setattr("keytrail.journal.dispatch.time", clock)
    journal = open_delivering(home, receiver)
    journal.put((0, True))
    journal.put((1, False))
    eventually(lambda: receiver.numbers == [1])
    later[0] = 1000.0
    journal.put((2, False))
    eventually(lambda: receiver.numbers == [1, 2])
    later[0] = 1400.0
    eventually(lambda: receiver.numbers == [1, 2, 0])
    assert journal.close(60)


@pytest.mark.parametrize("brought", [False, True])
def test_more_uses_than_are_held_back_at_once_all_leave(
    home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, brought: bool
) -> None:
    """What is read only when others have left is sent before the segment goes."""
    monkeypatch.setattr("keytrail.journal.backlog.MAX_WAITING", 20)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    journal = open_delivering(home, receiver)
    for number in range(70):
        journal.put((number, True))
    assert journal.flush(60)
    delivery = journal._delivery
    assert delivery is not None
    eventually(lambda: [backlog.is_full for backlog in delivery._backlogs.values()] == [True])
    if brought:
        journal.accepted([(number + 1, number + 1) for number in range(70)])
    assert journal.close(60)
    assert sorted(receiver.numbers) == ([] if brought else list(range(70)))
    assert journal.accounting.snapshot() == Snapshot(70, 70, 0, {})
    assert left_of(home) == []


def test_uses_behind_the_zeros_of_a_power_cut_are_delivered(
    home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stretch without a line's end that is longer than what is read at once hides nothing."""
    monkeypatch.setattr("keytrail.journal.backlog._CHUNK", 4096)
    segment = Segment.create(home, time.time_ns())
    Cursor.create(segment.path).close()
    segment.append([encode(make_span(0), columns_of(), "unknown"), bytes(10_000) + b"\n"])
    segment.append([encode(make_span(1), columns_of(), "unknown")])
    segment.close()
    journal = open_delivering(home, receiver)
    eventually(lambda: left_of(home) == [])
    assert receiver.numbers == [0, 1]
    assert journal.close(60)
    assert journal.accounting.snapshot() == Snapshot(3, 2, 0, {"unreadable": 1})


def test_an_endpoint_that_refuses_loses_nothing(home: Path, receiver: Receiver) -> None:
    """Uses wait on disk while the endpoint says no, and arrive when it says yes."""
    receiver.status = 400
    journal = open_delivering(home, receiver)
    for number in range(20):
        journal.put((number, False))
    eventually(lambda: receiver.paths)
    assert journal.flush(60)
    assert journal.accounting.snapshot() == Snapshot(20, 0, 20, {})
    receiver.status = 200
    eventually(lambda: sorted(receiver.numbers) == list(range(20)))
    eventually(lambda: journal.accounting.snapshot() == Snapshot(20, 20, 0, {}))


def test_a_redirect_is_no_delivery(home: Path, receiver: Receiver) -> None:
    """A login page that answers 302 has not taken the uses."""
    receiver.status = 302
    journal = open_delivering(home, receiver)
    journal.put((1, False))
    assert not journal.close(2)
    assert journal.accounting.snapshot() == Snapshot(1, 0, 1, {})


def test_an_endpoint_that_takes_only_small_requests_gets_small_ones(
    home: Path, receiver: Receiver
) -> None:
    """A proxy's body limit does not hold the journal up for ever."""
    receiver.largest = 20_000
    journal = open_delivering(home, receiver)
    for number in range(300):
        journal.put((number, False))
    eventually(lambda: sorted(receiver.numbers) == list(range(300)))


def test_an_endpoint_that_hangs_does_not_hold_up_the_end(home: Path, receiver: Receiver) -> None:
    """Close gives up after its time, and the uses are the next run's."""
    receiver.hanging.set()
    journal = open_delivering(home, receiver)
    journal.put((1, False))
    assert journal.flush(60)
    began = time.monotonic()
    assert not journal.close(0.5)
    assert time.monotonic() - began < 25
    assert left_of(home) == [".cursor", ".ndjson"]


def test_an_endpoint_may_restart(home: Path) -> None:
    """Connections that are refused for a while cost nothing but time."""
    receiver = Receiver()
    with receiving(receiver):
        journal = open_delivering(home, receiver)
        journal.put((0, False))
        eventually(lambda: journal.accounting.snapshot() == Snapshot(1, 1, 0, {}))
    journal.put((1, False))
    assert journal.flush(60)
    assert not journal.deliver(5)
    with receiving(receiver):
        eventually(lambda: receiver.numbers == [0, 1])
        eventually(lambda: journal.accounting.snapshot() == Snapshot(2, 2, 0, {}))


WRITER = """
import pathlib, sys, time
from journal.journal_kit import open_journal
journal = open_journal(pathlib.Path(sys.argv[1]), otlp_endpoint=sys.argv[2], otlp_timeout=60)
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    journal.put((number, False))
print(journal.flush(60), flush=True)
time.sleep(600)
"""


def test_the_next_process_delivers_what_a_killed_one_left(home: Path) -> None:
    """``kill -9`` loses nothing that was journaled, and the next start delivers it."""
    dead = Receiver()
    with receiving(dead):
        pass
    process = start_python(WRITER, home, dead.url, 0, 50)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    process.kill()
    process.communicate()
    with receiving(dead):
        journal = open_delivering(home, dead)
        eventually(lambda: sorted(dead.numbers) == list(range(50)))
        eventually(lambda: left_of(home) == [])
        assert journal.accounting.snapshot() == Snapshot(50, 50, 0, {})


def test_the_next_process_begins_where_the_killed_one_was(home: Path, receiver: Receiver) -> None:
    """What was confirmed before ``kill -9`` is not sent again."""
    process = start_python(WRITER, home, receiver.url, 0, 50)
    eventually(lambda: len(receiver.numbers) == 50)
    eventually(lambda: confirmed(paths_of(home)[0]) == paths_of(home)[0].stat().st_size)
    process.kill()
    process.communicate()
    with paths_of(home)[0].open("ab") as file:
        file.write(encode(make_span(50), columns_of(), "unknown"))
    journal = open_delivering(home, receiver)
    eventually(lambda: left_of(home) == [])
    assert sorted(receiver.numbers) == list(range(51))
    assert journal.accounting.snapshot() == Snapshot(1, 1, 0, {})
    (note,) = map(json.loads, (home / "delivered.ndjson").read_text().splitlines())
    assert note["uses"] == 51


def test_what_a_living_process_delivers_is_left_to_it(home: Path, receiver: Receiver) -> None:
    """Two processes that share a home never send the same use."""
    process = start_python(WRITER, home, receiver.url, 0, 50)
    journal = open_delivering(home, receiver)
    for number in range(50, 100):
        journal.put((number, False))
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    eventually(lambda: len(receiver.numbers) >= 100)
    assert journal.close(60)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert sorted(receiver.numbers) == list(range(100))
    assert journal.accounting.snapshot() == Snapshot(50, 50, 0, {})


def test_the_store_of_a_process_without_endpoint_is_not_delivered(
    home: Path, receiver: Receiver
) -> None:
    """Delivery is asked for, never assumed: another service's embedded store stays where it is."""
    stored = open_journal(home)
    stored.put((7, False))
    assert stored.close(60)
    journal = open_delivering(home, receiver)
    journal.put((8, False))
    assert journal.close(60)
    assert receiver.numbers == [8]
    assert left_of(home) == [".ndjson"]


def test_a_broken_line_is_kept_aside_and_does_not_block(home: Path, receiver: Receiver) -> None:
    """A line that cannot be read is counted and kept; those behind it arrive."""
    receiver.status = 503
    journal = open_delivering(home, receiver)
    journal.put((0, False))
    assert journal.flush(60)
    (path,) = paths_of(home)
    with path.open("ab") as file:
        file.write(b'{"time": broken}\n' + encode(make_span(1), columns_of(), "unknown"))
    receiver.status = 200
    eventually(lambda: sorted(receiver.numbers) == [0, 1])
    assert journal.accounting.drops() == {"unreadable": 1}
    note, line = (home / "refused" / path.name).read_bytes().splitlines()
    assert json.loads(note)["attributes"] == {"uses": 1, "answer": "unreadable"}
    assert line == b'{"time": broken}'
    assert journal.close(60)
    assert left_of(home) == []


def test_a_torn_tail_of_a_dead_writer_is_no_fault(home: Path, receiver: Receiver) -> None:
    """The half line at the end of a killed writer's segment was never journaled."""
    journal = open_delivering(home, receiver)
    journal.put((0, False))
    assert journal.flush(60)
    with paths_of(home)[0].open("ab") as file:
        file.write(b'{"time":17')
    segment = journal._writer._segment
    assert segment is not None
    segment.close()
    eventually(lambda: left_of(home) == [])
    assert receiver.numbers == [0]
    assert journal.accounting.drops() == {}


def test_a_full_journal_drops_the_oldest_and_the_equation_holds(
    home: Path, receiver: Receiver
) -> None:
    """Case D2: endpoint blocked, small bounds, 5000 uses; all but the dropped ones arrive."""
    receiver.status = 503
    journal = open_delivering(home, receiver, queue_size=64, journal_bytes=400_000)
    for number in range(5000):
        journal.put((number, False))
        if number % 50 == 0:
            journal.flush(60)
            books = journal.accounting.snapshot()
            assert books.seen == books.delivered + books.waiting + sum(books.dropped.values())
    assert journal.flush(60)
    assert sum(path.stat().st_size for path in home.glob("live/*/*")) < 450_000
    receiver.status = 200
    eventually(lambda: journal.accounting.snapshot().waiting == 0)
    books = journal.accounting.snapshot()
    assert books.dropped["journal_full"] > 0
    assert books.delivered == len(set(receiver.numbers)) == len(receiver.numbers)
    assert books.delivered + sum(books.dropped.values()) == 5000
    assert 4999 in receiver.numbers


def test_a_forked_child_delivers_its_own_and_the_parent_its_own(
    home: Path, receiver: Receiver
) -> None:
    """Nothing is sent twice after a fork, and nothing is left."""
    journal = open_delivering(home, receiver)
    journal.put((0, False))
    eventually(lambda: receiver.numbers == [0])
    child = os.fork()
    if child == 0:
        journal.put((1, False))
        os._exit(0 if journal.close(60) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.put((2, False))
    assert journal.close(60)
    assert sorted(receiver.numbers) == [0, 1, 2]
    assert left_of(home) == []


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP/gRPC receiver."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.metadata: list[dict[str, str]] = []

    def Export(  # noqa: N802 - the name in the protocol
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self.metadata.append(dict(context.invocation_metadata()))
        self.numbers += numbers_in(request)
        return ExportTraceServiceResponse()


def test_grpc_delivers_too_and_without_foreign_headers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over gRPC every use arrives, with our headers and not the vendor's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "vendor-token=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "vendor-token=secret")
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        journal = open_journal(home, otlp_endpoint=f"http://127.0.0.1:{port}", otlp_protocol="grpc")
        for number in range(10):
            journal.put((number, False))
        assert journal.close(60)
    finally:
        server.stop(None)
    assert sorted(collector.numbers) == list(range(10))
    assert all("vendor-token" not in metadata for metadata in collector.metadata)
