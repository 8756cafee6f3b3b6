"""Whatever is sent: nothing is raised into the application, and no byte is changed."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import urllib3
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as AsgiMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiMiddleware
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import keytrail
from keytrail import faults
from keytrail.settings import Secret, Settings
from support.cases import PEPPER
from support.generated import FULL_SIZE, Generated, generated

NUMBER = 100_000 if FULL_SIZE else 300
MINUTES = 40 if FULL_SIZE else 2
_CONTEXT = re.compile(rb"traceparent: [0-9a-f-]{55}\r\n", re.IGNORECASE)
SETTINGS: dict[str, Any] = {
    "pepper": Secret(PEPPER),
    "cookies": ("sid",),
    "jwt": "identity",
    "trusted_proxies": (ip_network("192.0.2.0/24"),),
    "key_id_header": "x-credential-identifier",
    "client_address": "truncated",
}


class _Discarding(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            span.to_json()
        return SpanExportResult.SUCCESS


@contextmanager
def _audited(home: Path | None) -> Iterator[TracerProvider]:
    """Run under the stock instrumentation, with keytrail where it has a home."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discarding()))
    if home is not None:
        keytrail.instrument(Settings(home=home, journal_bytes=2**40, **SETTINGS))
    try:
        yield provider
    finally:
        provider.shutdown()
        keytrail.uninstrument()


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _through_wsgi(request: Generated, provider: TracerProvider, _: Any) -> str:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append({name: environ.get(name) for name in sent})
        seen.append(sorted(set(environ) - set(sent)))
        start_response("401 No", [("WWW-Authenticate", 'Bearer error="invalid_token"')])
        return [repr(seen).encode()]

    sent: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "shop.example",
    }
    for name, value in request.headers:
        variable = "HTTP_" + name.upper().replace("-", "_")
        text = value.decode("latin-1")
        sent[variable] = f"{sent[variable]},{text}" if variable in sent else text
    answered: list[Any] = []

    def start_response(*answer: Any) -> Any:
        answered.append(answer)
        return lambda data: None

    middleware = WsgiMiddleware(app, tracer_provider=provider)
    body = b"".join(middleware(dict(sent), start_response))
    return _digest(seen, answered, body)


def _through_asgi(request: Generated, provider: TracerProvider, loop: Any) -> str:
    seen: list[Any] = []
    sent: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": request.path,
        "query_string": request.query,
        "client": ("192.0.2.1", 5000),
        "server": ("127.0.0.1", 80),
        "headers": [
            (b"host", b"shop.example"),
            *((name.lower().encode(), value) for name, value in request.headers),
        ],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append({name: scope.get(name) for name in sent})
        seen.append(sorted(set(scope) - set(sent)))
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": repr(seen).encode()})

    async def receive() -> Any:
        return {"type": "http.request", "body": request.query}

    async def send(message: Any) -> None:
        seen.append(message)

    middleware: Any = AsgiMiddleware(app, tracer_provider=provider)
    loop.run_until_complete(middleware(dict(sent), receive, send))
    return _digest(seen)


def _served(serve: Any, request: Generated, provider: TracerProvider, loop: Any) -> str:
    """Return what came of a request; the stock instrumentation itself raises at some."""
    try:
        return str(serve(request, provider, loop))
    except Exception as error:  # noqa: BLE001 - the same without keytrail, or the test fails
        return type(error).__qualname__


@pytest.mark.timeout(MINUTES * 60)
@pytest.mark.parametrize("serve", [_through_wsgi, _through_asgi])
def test_incoming_requests_reach_the_application_as_they_were(serve: Any, tmp_path: Path) -> None:
    """What the application sees and what goes back is the same with keytrail and without."""
    loop = asyncio.new_event_loop()
    before = faults.counts()
    told = []
    for home in (None, tmp_path):
        with _audited(home) as provider:
            told.append([_served(serve, generated(n), provider, loop) for n in range(NUMBER // 2)])
    loop.close()
    assert told[0] == told[1]
    assert _some_use(tmp_path)
    assert faults.counts() == before


class _Wire:
    """A server that keeps a digest of every byte that it is sent, and answers 204."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        held = b""
        with connection:
            while data := connection.recv(1 << 20):
                held += data
                if held.endswith(b"\r\n\r\n"):
                    self.heads.append(held)
                    held = b""
                    connection.sendall(
                        b"HTTP/1.1 204 No Content\r\nX-Echo: \xff\r\nConnection: keep-alive\r\n\r\n"
                    )

    def close(self) -> None:
        self._listener.close()


def _send(client: Any, request: Generated, url: str, wire: _Wire) -> str:
    """Send a request; return what went over the wire, and what came of it."""
    wire.heads.clear()
    try:
        came: Any = client(request, url)
    except Exception as error:  # noqa: BLE001 - the same without keytrail, or the test fails
        came = type(error).__qualname__
    heads = [_CONTEXT.sub(b"", head) for head in wire.heads]
    return _digest(heads, came)


def _by_urllib3(pool: urllib3.PoolManager) -> Any:
    def send(request: Generated, url: str) -> Any:
        headers = urllib3.HTTPHeaderDict()
        for name, value in request.headers:
            headers.add(name, value.decode("latin-1"))
        answer = pool.request(request.method, url, headers=headers, retries=False, timeout=60)
        return answer.status, dict(answer.headers)

    return send


def _by_httpx(client: httpx.Client) -> Any:
    def send(request: Generated, url: str) -> Any:
        headers = [(name.encode(), value) for name, value in request.headers]
        answer = client.request(request.method, url, headers=headers)
        return answer.status_code, answer.headers.raw

    return send


@pytest.mark.timeout(MINUTES * 60)
def test_outgoing_requests_go_over_the_wire_as_they_were(tmp_path: Path) -> None:
    """What the server gets, and what the client is given or raises, is the same."""
    wire = _Wire()
    before = faults.counts()
    told = []
    for home in (None, tmp_path):
        with _audited(home) as provider:
            URLLib3Instrumentor().instrument(tracer_provider=provider)
            HTTPXClientInstrumentor().instrument(tracer_provider=provider)
            with urllib3.PoolManager() as pool, httpx.Client(timeout=60) as client:
                sends = [_by_urllib3(pool), _by_httpx(client)]
                told.append(
                    [
                        _send(sends[n % 2], request, _url(request, wire.port), wire)
                        for n in range(NUMBER)
                        for request in [generated(n)]
                    ]
                )
            URLLib3Instrumentor().uninstrument()
            HTTPXClientInstrumentor().uninstrument()
    wire.close()
    assert told[0] == told[1]
    assert len(set(told[0])) > NUMBER / 4
    assert _some_use(tmp_path)
    assert faults.counts() == before


def _url(request: Generated, port: int) -> str:
    userinfo = "user:sk_live_aB3daB3daB3d@" if len(request.query) % 5 == 1 else ""
    return f"http://{userinfo}127.0.0.1:{port}{request.path}?{request.query.decode('latin-1')}"


def _some_use(home: Path) -> bool:
    return any(b'"key":"' in path.read_bytes() for path in home.glob("live/*/*.ndjson"))
