"""Nothing lost at the highest rate that a service sustains, beside what the stock pipeline loses.

The service answers as fast as it can, first with stock instrumentation, then with keytrail too;
every request carries a key and every trace is sampled. Both export over OTLP/HTTP to a sink in
another process. The service gets SIGTERM at once after its last answer.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import machine
from benchmarks.traffic import KEYS, raw_request

SIDES = ("stock", "keytrail")
PACKAGES = ("opentelemetry-sdk", "opentelemetry-instrumentation-fastapi", "fastapi", "uvicorn")
_CONNECTIONS = 8
_SERVER = 2
"""The kind of a SERVER span in OTLP."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Outcome:
    """What became of the requests of one side."""

    side: str
    requests: int
    """All of them answered with 200."""
    per_second: float
    exported: int
    """SERVER spans that the ordinary pipeline brought to the sink."""
    journaled: int
    """Uses on disk, each once."""
    memory_before: int
    """Bytes that the service held resident, in the median of the second quarter of the run."""
    memory_after: int
    """The same in the last quarter."""


def run(side: str, requests: int) -> Outcome:
    """Put a service under load to its end; a request that fails ends the benchmark."""
    with tempfile.TemporaryDirectory() as home, _sink() as (endpoint, count):
        service, port = _serve(side, home, endpoint)
        try:
            memory = _Memory(service.pid)
            begun = time.perf_counter()
            _load(port, requests)
            seconds = time.perf_counter() - begun
            memory.stop()
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)
        before, after = memory.quarters()
        journaled = _journaled(Path(home))
        return Outcome(side, requests, requests / seconds, count(), journaled, before, after)


def _serve(side: str, home: str, endpoint: str) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "KEYTRAIL_HOME": home,
        "KEYTRAIL_PEPPER": "0123456789abcdef" * 2,
    }
    command = [sys.executable, "-m", "benchmarks.serving", side, str(port)]
    service = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while service.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return service, port
        time.sleep(0.05)
    service.kill()
    raise SystemExit("the service did not start")


def _load(port: int, requests: int) -> None:
    """Send ``requests`` over several connections, each as soon as the one before is answered."""
    failures: list[bytes] = []

    def call(share: int, first: int) -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as wire,
            wire.makefile("rb") as answers,
        ):
            for number in range(share):
                wire.sendall(raw_request(KEYS[(first + number) % len(KEYS)]))
                status = _status(answers)
                if b" 200 " not in status:
                    failures.append(status)
                    return

    shares = [len(range(one, requests, _CONNECTIONS)) for one in range(_CONNECTIONS)]
    threads = [
        threading.Thread(target=call, args=(share, one * share)) for one, share in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"a request failed: {failures[0][:80]!r}")


def _status(answers: BinaryIO) -> bytes:
    """Read one answer to its end and return its first line."""
    status = answers.readline()
    length = 0
    while (line := answers.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    answers.read(length)
    return status


class _Memory:
    """What a process holds resident, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._statm = Path(f"/proc/{pid}/statm")
        self._samples: list[int] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            self._samples.append(int(self._statm.read_text().split()[1]) * _PAGE)
            if self._stopped.wait(0.1):
                return

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def quarters(self) -> tuple[int, int]:
        """Return the medians of the second and the last quarter."""
        quarter = max(1, len(self._samples) // 4)
        return (
            int(median(self._samples[quarter : 2 * quarter] or self._samples)),
            int(median(self._samples[-quarter:])),
        )


def _journaled(home: Path) -> int:
    ids = set()
    for segment in home.glob("live/*/*.ndjson"):
        with segment.open("rb") as lines:
            ids |= {json.loads(line)["span_id"] for line in lines if b'"record":' not in line[:10]}
    return len(ids)


@contextmanager
def _sink() -> Iterator[tuple[str, Any]]:
    """Run an OTLP receiver in another process; yield its URL and a way to ask what it got."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", "--sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def count() -> int:
        print(file=stdin, flush=True)
        return int(stdout.readline())

    try:
        yield f"http://127.0.0.1:{stdout.readline().strip()}", count
    finally:
        process.terminate()
        process.wait()


def _receive() -> None:
    """Take spans; print the port, and for each line that comes how many SERVER spans there were."""
    ids: set[bytes] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for of_scope in of_resource.scope_spans:
                    ids.update(one.span_id for one in of_scope.spans if one.kind == _SERVER)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for _ in sys.stdin:
        print(len(ids), flush=True)


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as Markdown."""
    lines = [
        "| service with | requests | a second | ordinary spans lost | uses lost | memory, MiB |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in outcomes:
        lost = one.requests - one.exported
        uses = f"{one.requests - one.journaled:,}" if one.side == "keytrail" else ""
        memory = f"{one.memory_before / 2**20:.0f} → {one.memory_after / 2**20:.0f}"
        lines.append(
            f"| {one.side} | {one.requests:,} | {one.per_second:,.0f} "
            f"| {lost:,} ({lost / one.requests:.1%}) | {uses} | {memory} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run both sides and print what was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        _receive()
        return
    outcomes = [run(side, options.requests) for side in SIDES]
    if options.json:
        print(json.dumps({"outcomes": [asdict(one) for one in outcomes]}))
    else:
        print(f"{table(outcomes)}\n\nMeasured on {machine.describe(PACKAGES)}.")
    if any(one.journaled != one.requests for one in outcomes if one.side == "keytrail"):
        raise SystemExit("uses were lost")


if __name__ == "__main__":
    main()
