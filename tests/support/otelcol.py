"""The Collector that ``make collector`` builds, run as a process against a real receiver."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.cases import PEPPER
from support.servers import listening
from support.services import clean_environ, free_port
from support.waiting import eventually

ROOT = Path(__file__).parents[2]
COLLECTOR = Path(os.environ.get("KEYTRAIL_OTELCOL", ROOT / "build" / "keytrail-otelcol"))
JAEGER = Path(os.environ.get("KEYTRAIL_JAEGER", ROOT / "build" / "jaeger"))
_MESSAGES: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


def binary(path: Path, made_by: str) -> Path:
    """Return a built program; without it skip, or fail where services are required."""
    if not path.is_file():
        missing(f"{path.name} is not built: {made_by}")
    return path


def of_prometheus(program: str) -> str:
    """Return a program of Prometheus's; without it skip, or fail where services are required."""
    built = ROOT / "build" / program
    found = str(built) if built.is_file() else shutil.which(program)
    return found or missing(f"{program} is not here: Debian's package prometheus has it")


def missing(reason: str) -> NoReturn:
    """Skip, or fail where services are required."""
    if os.environ.get("KEYTRAIL_REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Receiver:
    """An OTLP/HTTP destination; ``status`` is what it answers, and only what gets 200 is kept."""

    port: int = 0
    status: int = 200
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    authorization: str | None = None
    """Where set, requests with any other are answered 401."""
    _read: list[tuple[str, Any]] = field(default_factory=list)
    """Of ``requests``, what was read already: it is asked for again and again."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def messages(self, path: str) -> list[Any]:
        """Return the messages that arrived at ``path``."""
        for at, body in self.requests[len(self._read) :]:
            kind = _MESSAGES.get(at)
            self._read.append((at, kind and kind.FromString(body)))
        return [message for at, message in self._read if at == path]

    def spans(self) -> list[Span]:
        """Return the spans that arrived, in order."""
        return [
            span
            for message in self.messages("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def span_ids(self) -> list[str]:
        """Return the span ids that arrived, those that came twice twice."""
        return [span.span_id.hex() for span in self.spans()]

    def everything(self) -> bytes:
        """Return all bytes that arrived."""
        return b"\n".join(body for _, body in self.requests)


@contextmanager
def grpc_receiver() -> Iterator[Receiver]:
    """Run a destination for traces over OTLP/gRPC; ``headers`` are the metadata of the calls."""
    kept = Receiver()

    class Service(TraceServiceServicer):
        def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
            kept.headers.append({name: str(value) for name, value in context.invocation_metadata()})
            kept.requests.append(("/v1/traces", request.SerializeToString()))
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    kept.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield kept
    finally:
        server.stop(None)


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Run a destination on ``port``, or on a free one."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.status
            if kept.authorization not in (None, self.headers.get("Authorization")):
                status = 401
            if status == 200:
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.headers.get("Content-Type") == "application/json":
                    body = _from_json(body)
                kept.headers.append(dict(self.headers.items()))
                kept.requests.append((self.path, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler, port) as kept.port:
        yield kept


def _from_json(body: bytes) -> bytes:
    """Return a request for traces as protobuf; OTLP's JSON has ids in hex, protobuf's in base64."""
    message = json.loads(body)
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for one in scope["spans"]:
                for name in one.keys() & {"traceId", "spanId", "parentSpanId"}:
                    one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return bytes(ParseDict(message, ExportTraceServiceRequest()).SerializeToString())


@dataclass
class Collector:
    """A running Collector."""

    command: Sequence[str]
    environ: Mapping[str, str]
    port: int
    """Where its OTLP/HTTP receiver listens."""
    own: int
    """Where keytrail's own receiver listens, if the configuration has one."""
    metrics: int
    """Where keytrail's metrics can be scraped."""
    telemetry: int
    """Where the Collector's own metrics can be scraped."""
    directory: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill it as the system would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Start it again after a kill."""
        self.process = _started(self.command, self.environ, self.directory)
        _await_port(self)

    def log(self) -> str:
        """Return what it has said so far."""
        return (self.directory / "collector.log").read_text(errors="replace")


@contextmanager
def collector(
    directory: Path, configs: Sequence[str | Path], **environ: str
) -> Iterator[Collector]:
    """Run the Collector with ``configs``; its queue and journal are in ``directory``/``state``.

    ``PORT`` is where a receiver of ``configs`` listens that is not the stand-alone configuration's.
    """
    program = binary(COLLECTOR, "make collector")
    own, metrics, telemetry = free_port(), free_port(), free_port()
    listening = int(environ.get("PORT") or own)
    settings = {
        "KEYTRAIL_PEPPER": PEPPER,
        "KEYTRAIL_DIR": str(directory / "state"),
        "KEYTRAIL_HTTP_PORT": str(own),
        "KEYTRAIL_GRPC_PORT": str(free_port()),
        "KEYTRAIL_METRICS_ENDPOINT": f"127.0.0.1:{metrics}",
        **environ,
    }
    command = [str(program)]
    for config in (*configs, _own_metrics(directory, telemetry)):
        command += ["--config", str(config)]
    environment = clean_environ(**settings)
    process = _started(command, environment, directory)
    ports = (listening, own, metrics, telemetry)
    running = Collector(command, environment, *ports, directory, process)
    try:
        _await_port(running)
        yield running
    finally:
        running.process.terminate()
        try:
            running.process.wait(60)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()


def _own_metrics(directory: Path, port: int) -> Path:
    """Return a file that moves the Collector's own metrics from their usual port."""
    path = directory / "own-metrics.yaml"
    exporter = f"{{prometheus: {{host: 127.0.0.1, port: {port}}}}}"
    path.write_text(
        f"service: {{telemetry: {{metrics: {{readers: [{{pull: {{exporter: {exporter}}}}}]}}}}}}\n"
    )
    return path


def scraped(port: int) -> dict[str, float]:
    """Return the samples of a Prometheus endpoint: name and labels, value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def _started(
    command: Sequence[str], environ: Mapping[str, str], directory: Path
) -> subprocess.Popen[bytes]:
    with (directory / "collector.log").open("ab") as log:
        return subprocess.Popen(command, env=dict(environ), stdout=log, stderr=log, cwd=directory)


def _await_port(running: Collector) -> None:
    def answers() -> bool:
        assert running.process.poll() is None, running.log()[-3000:]
        try:
            return post(running.port, "/v1/traces", b"") == 200
        except OSError:
            return False

    eventually(answers)


def post(port: int, path: str, body: bytes, timeout: float = 60) -> int:
    """Send one request to a Collector and return the status."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        line.request("POST", path, body, {"Content-Type": "application/x-protobuf"})
        answer = line.getresponse()
        answer.read()
        return answer.status
    finally:
        line.close()


def span(
    number: int,
    attributes: Mapping[str, Any] | None = None,
    *,
    name: str = "GET /orders",
    kind: Span.SpanKind.ValueType = Span.SPAN_KIND_SERVER,
    start: int = 1_700_000_000_000_000_000,
) -> Span:
    """Return one span, with ids made of ``number``."""
    return Span(
        trace_id=hashlib.md5(number.to_bytes(8, "big")).digest(),
        span_id=number.to_bytes(8, "big"),
        name=name,
        kind=kind,
        start_time_unix_nano=start + number,
        end_time_unix_nano=start + number + 5_000_000,
        attributes=key_values(attributes or {}),
    )


def traces(*spans: Span, service: str = "shop") -> bytes:
    """Return an export request of ``spans``."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.extend(key_values({"service.name": service}))
    resource.scope_spans.add().spans.extend(spans)
    return bytes(message.SerializeToString())


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [KeyValue(key=name, value=any_value(value)) for name, value in attributes.items()]


def any_value(value: Any) -> AnyValue:
    """Return a value as OTLP has it."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        found = AnyValue()
        found.array_value.values.extend(map(any_value, value))
        return found
    if isinstance(value, dict):
        found = AnyValue()
        found.kvlist_value.values.extend(key_values(value))
        return found
    return AnyValue(string_value=value)


def plain(values: Any) -> dict[str, Any]:
    """Return attributes as Python has them."""
    return {item.key: _plain(item.value) for item in values}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
