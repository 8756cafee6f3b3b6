"""Spans, receivers and processes that the journal's tests share."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from keytrail.journal.codec import Columns, encode
from keytrail.journal.journal import Journal
from keytrail.settings import Settings
from support.services import clean_environ

RESOURCE = Resource({"service.name": "orders"})
START = 1_780_000_000_000_000_000

Use = tuple[int, bool]
"""Number and whether the ordinary trace has it too."""


def make_span(number: int, *, sampled: bool = False, **parts: Any) -> ReadableSpan:
    """Return the audit span of use ``number``."""
    defaults: dict[str, Any] = {
        "name": "GET /v1/orders",
        "context": SpanContext(number + 1, number + 1, False, TraceFlags(sampled)),
        "resource": RESOURCE,
        "attributes": {"keytrail.schema_version": "1.0", "number": number},
        "kind": SpanKind.SERVER,
        "start_time": START + number,
        "end_time": START + number + 1000,
    }
    return ReadableSpan(**(defaults | parts))


def columns_of(*, sampled: bool = False) -> Columns:
    """Return the columns that every use of these tests has."""
    return {"key": "f" * 64, "direction": "incoming", "outcome": "success", "sampled": sampled}


def open_journal(home: Path, **settings: Any) -> Journal[Use]:
    """Return a journal whose items are the numbers of uses."""

    def prepare(batch: Sequence[Use]) -> list[bytes]:
        spans = [(make_span(number, sampled=sampled), sampled) for number, sampled in batch]
        return [
            encode(span, columns_of(sampled=sampled), journal.origin_id(span))
            for span, sampled in spans
        ]

    chosen: dict[str, Any] = {"home": home, "journal_interval": 0.02} | settings
    journal: Journal[Use] = Journal(Settings(**chosen), prepare, {"service": "orders"})
    _begun.append(journal)
    return journal


_begun: list[Journal[Use]] = []


def end_journals() -> None:
    """End what a test has opened: a thread that lives on would log and send in the next one."""
    while _begun:
        journal = _begun.pop()
        journal.close(0)
        delivery = journal._delivery
        for thread in (journal._queue._thread, None if delivery is None else delivery._thread):
            if thread is not None:
                thread.join(60)


def lines_of(home: Path) -> list[dict[str, Any]]:
    """Return every whole line of every segment, in order."""
    return [
        json.loads(line)
        for path in paths_of(home)
        for line in path.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]


def paths_of(home: Path) -> list[Path]:
    """Return the segments in order of their beginning."""
    return sorted(home.glob("live/*/*.ndjson"), key=lambda path: path.stem.rpartition("-")[2])


def numbers_of(home: Path) -> list[int]:
    """Return the numbers of the uses in a journal, sorted."""
    return sorted(line["attributes"]["number"] for line in lines_of(home) if "record" not in line)


@dataclass
class Receiver:
    """An OTLP/HTTP receiver on loopback."""

    port: int = 0
    numbers: list[int] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    """When requests came, on the monotonic clock."""
    times: list[float] = field(default_factory=list)
    """When they were taken."""
    status: int = 200
    largest: int = 2**40
    """Bytes beyond which a request is refused."""
    hanging: threading.Event = field(default_factory=threading.Event)
    """While set, requests are not answered."""
    poison: set[int] = field(default_factory=set)
    """Uses for which a request is answered with ``poisoned``."""
    poisoned: int = 400
    rejects: int = 0
    """Of each request with uses, how many are told to be rejected."""
    retry_after: str | None = None
    kind: str | None = None
    """The ``Content-Type`` of the answers."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Handle one request; return its status."""
        status = self.status  # before a test can see that the request has come
        self.asked.append(time.monotonic())
        self.paths.append(path)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        while self.hanging.is_set():
            time.sleep(0.01)
            status = self.status
        if len(body) > self.largest:
            return 413
        if status != 200:
            return status
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        numbers = numbers_in(ExportTraceServiceRequest.FromString(body))
        if self.poison & set(numbers):
            return self.poisoned
        self.numbers += numbers
        self.times.append(time.monotonic())
        return 200

    def body(self, status: int) -> bytes:
        """Return what is said with ``status``."""
        said = ExportTraceServiceResponse()
        if status == 200 and self.rejects:
            said.partial_success.rejected_spans = self.rejects
            said.partial_success.error_message = "too many attributes"
        return bytes(said.SerializeToString())


def numbers_in(request: ExportTraceServiceRequest) -> list[int]:
    """Return the numbers of the uses in an OTLP request."""
    return [
        attribute.value.int_value
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
        for attribute in span.attributes
        if attribute.key == "number"
    ]


@contextmanager
def receiving(receiver: Receiver) -> Iterator[None]:
    """Run ``receiver``, on its old port if it had one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take(self.path, dict(self.headers.items()), body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            if receiver.retry_after is not None:
                self.send_header("Retry-After", receiver.retry_after)
            if receiver.kind is not None:
                self.send_header("Content-Type", receiver.kind)
            said = receiver.body(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    listener = _Listener(("127.0.0.1", receiver.port), Handler)
    receiver.port = listener.server_address[1]
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        receiver.hanging.clear()
        listener.shutdown()
        listener.server_close()
        listener.break_off()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def break_off(self) -> None:
        """End the connections that are kept alive: nobody is there any more."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A connection that was broken off is no news."""


def start_python(script: str, *arguments: object, **environ: str) -> subprocess.Popen[str]:
    """Start ``script`` in a process of its own, with the tests' folder importable."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=clean_environ(PYTHONPATH=str(Path(__file__).parents[1]), **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
