"""ASGI applications that are called in this thread: no socket, no parsing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from asgiref.sync import SyncToAsync
from django.core.handlers.asgi import ASGIHandler
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.plugins.opentelemetry import OpenTelemetryConfig
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.django_site import async_item, site
from benchmarks.library import Library, clock_of
from benchmarks.traffic import HEADERS, KEY_HEADER, PATH, QUERY, keys

Message = MutableMapping[str, Any]

_FIRST: dict[str, Message] = {
    "http": {"type": "http.request", "body": b"", "more_body": False},
    "websocket": {"type": "websocket.connect"},
}
"""What a server tells of a scope of each type; then nothing more happens."""
_LINES = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


def fastapi_called(provider: TracerProvider) -> Library:
    """Return FastAPI."""
    return _called(fastapi_app(provider))


def fastapi_app(provider: TracerProvider) -> FastAPI:
    """Return a bare FastAPI application, instrumented on ``provider``."""
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app


def starlette_called(provider: TracerProvider) -> Library:
    """Return Starlette."""

    async def item(request: Request) -> JSONResponse:
        return JSONResponse({"number": request.path_params["number"]})

    app = Starlette(routes=[Route("/items/{number:int}", item)])
    StarletteInstrumentor.instrument_app(app, tracer_provider=provider)
    return _called(app)


def websocket_called(provider: TracerProvider) -> Library:
    """Return Starlette, asked for a WebSocket that it accepts and closes."""

    async def item(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/items/{number:int}", item)])
    StarletteInstrumentor.instrument_app(app, tracer_provider=provider)
    return _called(app, handshake)


def litestar_called(provider: TracerProvider) -> Library:
    """Return Litestar with the middleware of its own plugin."""

    @get("/items/{number:int}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    traced = OpenTelemetryConfig(tracer_provider=provider)
    return _called(Litestar([item], middleware=[traced.middleware]))


def django_called(provider: TracerProvider) -> Library:
    """Return Django, by ASGI; its middleware runs in a thread of asgiref, which counts too.

    It is called below the context that gives each request such a thread of its own.
    """
    in_force = site(async_item, provider)
    with in_force():
        app = ASGIHandler()
    threads = SyncToAsync.single_thread_executor
    threads.submit(int).result()
    (thread,) = threads._threads
    beside = clock_of(thread)
    return _called(app.handle, in_force=in_force, clock=lambda: time.thread_time() + beside())


def asgi_called(provider: TracerProvider) -> Library:
    """Return an ASGI application of no framework."""

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    return _called(OpenTelemetryMiddleware(app, tracer_provider=provider))


def scope(key: str | None) -> dict[str, Any]:
    """Return an ASGI scope of the request."""
    lines = list(_LINES)
    if key is not None:
        lines.append((KEY_HEADER.lower().encode(), key.encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": QUERY.encode(),
        "headers": lines,
        "state": {},
    }


def handshake(key: str | None) -> dict[str, Any]:
    """Return the scope of the same request for a WebSocket."""
    asked = {**scope(key), "type": "websocket", "scheme": "ws", "subprotocols": []}
    del asked["method"]
    return asked


def _called(
    app: Any,
    scope_of: Callable[[str | None], dict[str, Any]] = scope,
    *,
    in_force: Callable[[], AbstractContextManager[None]] = nullcontext,
    clock: Callable[[], float] = time.thread_time,
) -> Library:
    loop = asyncio.new_event_loop()

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            called = scope_of(key)
            await app(called, _receiving(_FIRST[called["type"]]), _ignore)

    return Library(
        lambda calls, keyed: loop.run_until_complete(call(calls, keyed)), clock, in_force
    )


def _receiving(message: Message) -> Callable[[], Awaitable[Message]]:
    left = [message]

    async def receive() -> Message:
        return left.pop() if left else await asyncio.get_running_loop().create_future()

    return receive


async def _ignore(_: Message) -> None:
    pass
