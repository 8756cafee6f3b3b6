"""Servers that another process calls over a socket, each in a thread of this one (Linux only)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import aiohttp.web
import tornado.httpserver
import tornado.netutil
import tornado.web
import uvicorn
from opentelemetry.instrumentation.aiohttp_server import (
    AioHttpServerInstrumentor,
    create_instrumented_application,
)
from opentelemetry.instrumentation.tornado import TornadoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.asgi_apps import fastapi_app
from benchmarks.library import Library, instrumenting, thread_clock
from benchmarks.peers import Load
from benchmarks.wsgi_apps import flask_app


def flask_served(provider: TracerProvider, load: Load) -> Library:
    """Return Flask on its own server."""
    server = make_server("127.0.0.1", 0, flask_app(provider), request_handler=_Silent)
    return _served(server.serve_forever, server.port, load)


def fastapi_served(provider: TracerProvider, load: Load) -> Library:
    """Return FastAPI on uvicorn."""
    config = uvicorn.Config(fastapi_app(provider), port=0, log_level="warning", access_log=False)
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen()
    server = uvicorn.Server(config)
    return _served(lambda: server.run([listener]), listener.getsockname()[1], load)


def aiohttp_served(provider: TracerProvider, load: Load) -> Library:
    """Return aiohttp's server."""
    with instrumenting(AioHttpServerInstrumentor(), provider):
        pass  # it has made what its middleware counts with
    app = create_instrumented_application(provider)()

    async def item(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.json_response({"number": int(request.match_info["number"])})

    app.router.add_get("/items/{number}", item)
    listener = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        runner = aiohttp.web.AppRunner(app, access_log=None)
        await runner.setup()
        await aiohttp.web.SockSite(runner, listener).start()
        await asyncio.Event().wait()

    return _served(lambda: asyncio.run(serve()), listener.getsockname()[1], load)


def tornado_served(provider: TracerProvider, load: Load) -> Library:
    """Return Tornado on its own server."""

    class Item(tornado.web.RequestHandler):
        def get(self, number: str) -> None:
            self.write({"number": int(number)})

    app = tornado.web.Application([(r"/items/(\d+)", Item)], log_function=_silent)
    (listener,) = tornado.netutil.bind_sockets(0, "127.0.0.1")

    async def serve() -> None:
        tornado.httpserver.HTTPServer(app).add_sockets([listener])
        await asyncio.Event().wait()

    instrumentor = TornadoInstrumentor()  # type: ignore[no-untyped-call]
    with instrumenting(instrumentor, provider):
        with suppress(TypeError):
            Item()  # type: ignore[call-arg]  # its class is instrumented before its arguments fail
        instrumentor.patched_handlers.clear()  # and stays so
    return _served(lambda: asyncio.run(serve()), listener.getsockname()[1], load)


def _served(serve: Callable[[], None], port: int, load: Load) -> Library:
    return Library(partial(load.call, port), thread_clock(serve))


def _silent(_: tornado.web.RequestHandler) -> None:
    pass


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
