"""Real OTLP receivers, over HTTP and over gRPC, that keep every byte of what they are sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import grpc

from support.servers import body_of

Signal = Literal["traces", "logs", "metrics"]
Protocol = Literal["http/protobuf", "grpc"]
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
_SERVICES: dict[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}


@dataclass
class Received:
    """The bodies so far, by signal."""

    protocol: Protocol
    url: str = ""
    bodies: dict[Signal, list[bytes]] = field(
        default_factory=lambda: {signal: [] for signal in SIGNALS}
    )

    revive: Callable[[], None] = lambda: None
    """Make a receiver that began dead answer from now on."""

    def everything(self) -> list[bytes]:
        """Return every body of every signal."""
        return [body for bodies in self.bodies.values() for body in bodies]

    def await_text(self, signal: Signal, text: bytes, seconds: float = 100) -> None:
        """Wait until ``text`` has arrived in a body of ``signal``."""
        deadline = time.monotonic() + seconds
        while not any(text in body for body in self.bodies[signal]):
            assert time.monotonic() < deadline, f"no {text!r} in the {signal}"
            time.sleep(0.05)

    def await_another(self, signal: Signal, seconds: float = 100) -> None:
        """Wait until a body of ``signal`` arrives that had not begun when this was called."""
        wanted = len(self.bodies[signal]) + 2
        deadline = time.monotonic() + seconds
        while len(self.bodies[signal]) < wanted:
            assert time.monotonic() < deadline, f"no more {signal}"
            time.sleep(0.05)


@contextmanager
def receiver(protocol: Protocol) -> Iterator[Received]:
    """Run a receiver of ``protocol`` on a free port of loopback."""
    received = Received(protocol)
    if protocol == "grpc":
        with _over_grpc(received):
            yield received
    else:
        with dead_receiver() as received:
            received.revive()
            yield received


@contextmanager
def dead_receiver() -> Iterator[Received]:
    """Hold a port that refuses connections until it is revived; then it is an HTTP receiver."""
    received = Received("http/protobuf")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = body_of(self)
            for signal in SIGNALS:
                if self.path.endswith(signal):
                    received.bodies[signal].append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.daemon_threads = True
    server.server_bind()
    received.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)

    def revive() -> None:
        server.server_activate()
        serving.start()

    received.revive = revive
    try:
        yield received
    finally:
        if serving.is_alive():
            server.shutdown()
        server.server_close()


@contextmanager
def _over_grpc(received: Received) -> Iterator[None]:
    def keeping(signal: Signal) -> Callable[[bytes, Any], bytes]:
        def export(request: bytes, _: Any) -> bytes:
            received.bodies[signal].append(request)
            return b""

        return export

    server = grpc.server(ThreadPoolExecutor(4))
    for service, signal in _SERVICES.items():
        export = grpc.unary_unary_rpc_method_handler(keeping(signal))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": export}),)
        )
    received.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()
