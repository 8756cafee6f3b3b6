"""Requests whose instrumentation makes an INTERNAL span of them, since another span is current."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flask
import pytest
import uvicorn
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from werkzeug.test import Client

import keytrail
from support.cases import F1, F2, K1, K2
from support.instrumented import Instrumented
from support.journals import uses_in
from support.services import free_port

SAMPLERS = pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])


@pytest.fixture
def otel(tmp_path: Any) -> Iterator[Instrumented]:
    """Keytrail active, with a provider that is the global one."""
    instrumented = Instrumented(tmp_path, [], is_global=True)
    yield instrumented
    instrumented.stop()


async def _asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer once the whole body has come, however slowly that is read."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    keytrail.identify(owner="shop")
    start = {"type": "http.response.start", "status": 204, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": b""})


def _by_asgi(provider: TracerProvider) -> None:
    app = OpenTelemetryMiddleware(_asgi, tracer_provider=provider)
    asyncio.run(_call(app, "/x", K1))


async def _call(app: Any, path: str, key: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(_: Any) -> None:
        pass

    headers = [(b"host", b"h"), (b"x-api-key", key.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "scheme": "http"}
    await app(scope | {"query_string": b"", "server": ("h", 80)}, receive, send)


def _by_wsgi(provider: TracerProvider) -> None:
    def answer(_: Any, start_response: Any) -> list[bytes]:
        keytrail.identify(owner="shop")
        start_response("204 No Content", [])
        return []

    client = Client(WsgiMiddleware(answer, tracer_provider=provider))
    client.get("/x", headers={"X-API-Key": K1})


def _by_flask(provider: TracerProvider) -> None:
    app = flask.Flask("app")

    @app.get("/x")
    def answer() -> tuple[str, int]:
        keytrail.identify(owner="shop")
        return "", 204

    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    with app.test_client() as client:
        environ = client.get("/x", headers={"X-API-Key": K1}).request.environ
    assert not [name for name in environ if name.startswith("keytrail")]


@SAMPLERS
@pytest.mark.parametrize("serve", [_by_asgi, _by_wsgi, _by_flask], ids=["asgi", "wsgi", "flask"])
def test_a_request_inside_of_a_span_is_a_use(
    serve: Callable[[TracerProvider], None], sampler: Sampler, otel: Instrumented
) -> None:
    """A server that runs inside an application's span; the spans are those of a run without us."""
    provider = otel.start(sampler)
    with provider.get_tracer("app").start_as_current_span("main"):
        serve(provider)
        assert trace.get_current_span().get_span_context().is_valid
    (use,) = otel.uses()
    sampled = sampler is ALWAYS_ON
    assert (use["key"], use["path"], use["status"], use["outcome"], use["owner"]) == (
        *(F1, "/x", 204, "success", "shop"),
    )
    assert use["sampled"] is sampled
    kinds = {span["kind"] for span in otel.exporter.spans}
    assert kinds == ({"SpanKind.INTERNAL"} if sampled else set())


@SAMPLERS
def test_a_mounted_application_makes_no_second_use(sampler: Sampler, otel: Instrumented) -> None:
    """Two instrumented applications, one in the other, answer one request."""
    provider = otel.start(sampler)
    inner = OpenTelemetryMiddleware(_asgi, tracer_provider=provider)
    outer = OpenTelemetryMiddleware(inner, tracer_provider=provider)
    asyncio.run(_call(outer, "/x", K1))
    with provider.get_tracer("app").start_as_current_span("main"):
        asyncio.run(_call(outer, "/y", K2))
    assert [(use["key"], use["path"]) for use in otel.uses()] == [(F1, "/x"), (F2, "/y")]


@contextmanager
def _uvicorn(app: Any) -> Iterator[int]:
    port = free_port()
    config = uvicorn.Config(app, port=port, http="h11", loop="asyncio", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join(60)


@SAMPLERS
def test_pipelined_requests_are_uses_of_their_own(sampler: Sampler, otel: Instrumented) -> None:
    """A caller who sends three requests at once does not hide two of them."""
    provider = otel.start(sampler)
    requests = [
        f"GET /{number} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n{closing}\r\n"
        for number, (key, closing) in enumerate([(K1, ""), (K2, ""), (K1, "Connection: close\r\n")])
    ]
    app = OpenTelemetryMiddleware(_asgi, tracer_provider=provider)
    with _uvicorn(app) as port, socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall("".join(requests).encode())
        answers = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert answers.count(b" 204 ") == 3
    uses = otel.uses(3)
    assert [(use["key"], use["path"], use["status"]) for use in uses] == [
        *((F1, "/0", 204), (F2, "/1", 204), (F1, "/2", 204)),
    ]
    assert len({use["span_id"] for use in uses_in(otel.home)}) == 3
