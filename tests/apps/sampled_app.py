"""Requests and calls under a sampler, from a seed, told as JSON: the same each time.

``sampled_app.py <with|without> auto <seed>`` is set up by the environment or a configuration file,
``… code <seed> <sampler>…`` by the code below, one provider after the other. Printed last, as one
line: what went downstream, the state of the global random numbers, and the exported spans of
``code``; ``auto`` exports to the console.
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "kt_test_4f9a2c7e8b1d6053"
REMOTE = (None, "00", "01")
"""Flags of the caller's traceparent; none without a caller."""
REQUESTS = 60


@contextmanager
def downstream(seen: list[str | None]) -> Iterator[str]:
    """Run the service that is called, which notes each ``traceparent``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["traceparent"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/called"
    server.shutdown()
    server.server_close()


def make_app(url: str) -> Any:
    """Return a service that calls ``url``, with a key of its own where it is asked to."""
    import requests
    from flask import Flask, request

    app = Flask("sampled")

    @app.get("/call/<kind>")
    def call(kind: str) -> str:
        headers = {"X-API-Key": KEY} if kind == "keyed" else {}
        return str(requests.get(url, headers={**headers, "n": request.headers["n"]}).status_code)

    return app


def play(app: Any) -> None:
    """Send every combination of caller's flags, key and call's key."""
    client = app.test_client()
    for number in range(REQUESTS):
        flags = REMOTE[number % 3]
        headers = {"n": str(number)}
        if flags is not None:
            headers["traceparent"] = (
                f"00-{random.getrandbits(127) + 1:032x}-{number + 1:016x}-{flags}"
            )
        if number // 3 % 2:
            headers["X-API-Key"] = KEY
        client.get(f"/call/{'keyed' if number // 6 % 2 else 'plain'}", headers=headers)


def auto(url: str) -> list[Any]:
    """Let the environment, or the file that it names, set everything up."""
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()
    play(make_app(url))
    from opentelemetry import trace

    trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]
    return []


def code(url: str, samplers: list[str]) -> list[Any]:
    """Give each sampler a provider: at its making, or later, after a tracer was handed out."""
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased

    spans: list[Any] = []
    for name in samplers:
        kind, ratio, when = name.split(":")
        sampler: Any = TraceIdRatioBased(float(ratio))
        if kind == "parent":
            sampler = ParentBased(sampler)
        provider = TracerProvider(sampler=ALWAYS_ON if when == "late" else sampler)
        exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        if when == "late":
            provider.get_tracer("early")
            provider.sampler = sampler
        app = make_app(url)
        FlaskInstrumentor().instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
        RequestsInstrumentor().instrument(tracer_provider=provider)
        play(app)
        RequestsInstrumentor().uninstrument()
        provider.shutdown()
        spans += [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    return spans


def without_port(text: str, port: str) -> str:
    """Return ``text`` with another port, which ids may hold by chance: there it stays."""
    return re.sub(rf"(?<=[: ]){port}\b", "1", text)


def main() -> None:
    """Play, and tell."""
    mode, way, seed, *samplers = sys.argv[1:]
    import keytrail
    import keytrail.activate

    if mode == "without":
        keytrail.activate.zero_code = lambda: None
    elif way == "code":
        keytrail.instrument()
    random.seed(int(seed))
    seen: list[str | None] = []
    with downstream(seen) as url:
        spans = auto(url) if way == "auto" else code(url, samplers)
    told = json.dumps({"seen": seen, "random": random.random(), "spans": spans})
    sys.stdout.write("\n" + without_port(told, url.rpartition(":")[2].split("/")[0]) + "\n")


if __name__ == "__main__":
    main()
