"""The instrumented libraries, each as something that makes or serves calls one after the other."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any
from urllib.request import OpenerDirector, Request, build_opener

import aiohttp
import httpx
import httpx2
import requests
import uvicorn
from fastapi import FastAPI
from flask import Flask
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import EnvironBuilder

from benchmarks.peers import Load
from benchmarks.traffic import HEADERS, KEY_HEADER, PATH, QUERY, headers, keys

Message = MutableMapping[str, Any]

_LINES = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


@dataclass(frozen=True, slots=True)
class Library:
    """A library of one side, instrumented on the side's provider."""

    call: Callable[[int, bool], None]
    """Make or serve so many calls, one after the other, with keys or without."""
    clock: Callable[[], float] = time.thread_time
    """Return the CPU seconds that the thread which does so has used."""


def flask_called(provider: TracerProvider) -> Library:
    """Return Flask, its WSGI application called in this thread."""
    app = flask_app(provider)
    bare = EnvironBuilder(
        path=PATH,
        query_string=QUERY,
        headers=HEADERS.items(),
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    ).get_environ()

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            environ = {**bare, "wsgi.input": BytesIO()}
            if key is not None:
                environ["HTTP_X_API_KEY"] = key
            body: Any = app(environ, _start_response)
            b"".join(body)
            body.close()

    return Library(call)


def fastapi_called(provider: TracerProvider) -> Library:
    """Return FastAPI, its ASGI application awaited in this thread."""
    app = fastapi_app(provider)
    loop = asyncio.new_event_loop()

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            await app(_scope(key), _receive, _ignore)

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


def flask_served(provider: TracerProvider, load: Load) -> Library:
    """Return Flask on its own server, in a thread of this process."""
    server = make_server("127.0.0.1", 0, flask_app(provider), request_handler=_Silent)
    return _served(server.serve_forever, server.port, load)


def fastapi_served(provider: TracerProvider, load: Load) -> Library:
    """Return FastAPI on uvicorn, in a thread of this process."""
    config = uvicorn.Config(fastapi_app(provider), port=0, log_level="warning", access_log=False)
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen()
    server = uvicorn.Server(config)
    return _served(lambda: server.run([listener]), listener.getsockname()[1], load)


def requests_calling(provider: TracerProvider, api: str) -> Library:
    """Return a requests session, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    instrumented = _instrumented(RequestsInstrumentor(), provider, requests.Session, "send")
    session = type("Session", (requests.Session,), {"send": instrumented})()

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            session.get(url, headers=headers(key), timeout=10)

    return Library(call)


def httpx_calling(provider: TracerProvider, api: str) -> Library:
    """Return an httpx client, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    client = httpx.Client()
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            client.get(url, headers=headers(key))

    return Library(call)


def httpx2_calling(provider: TracerProvider, api: str) -> Library:
    """Return an httpx2 client, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    client = httpx2.Client()
    HTTPX2ClientInstrumentor.instrument_client(client, tracer_provider=provider)  # type: ignore[arg-type]

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            client.get(url, headers=headers(key))

    return Library(call)


def urllib_calling(provider: TracerProvider, api: str) -> Library:
    """Return an opener of urllib, which connects for every call."""
    url = f"{api}{PATH}?{QUERY}"
    instrumented = _instrumented(URLLibInstrumentor(), provider, OpenerDirector, "open")
    opener = build_opener()
    opener.__class__ = type("Opener", (OpenerDirector,), {"open": instrumented})

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            opener.open(Request(url, headers=headers(key)), timeout=10).read()

    return Library(call)


def aiohttp_calling(provider: TracerProvider, api: str) -> Library:
    """Return an aiohttp session, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    loop = asyncio.new_event_loop()

    async def start() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(trace_configs=[create_trace_config(tracer_provider=provider)])

    session = loop.run_until_complete(start())

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            async with session.get(url, headers=headers(key)) as answer:
                await answer.read()

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


def _instrumented(instrumentor: Any, provider: TracerProvider, owner: type, name: str) -> Any:
    """Return ``owner.name`` as an instrumentor wraps it, over whatever stands there when called."""
    own = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: getattr(owner, name)(*args, **kwargs))
    instrumentor.instrument(tracer_provider=provider)
    instrumented = getattr(owner, name)
    instrumentor.uninstrument()
    setattr(owner, name, own)
    return instrumented


def _served(serve: Callable[[], None], port: int, load: Load) -> Library:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    return Library(partial(load.call, port), partial(time.clock_gettime, clock))


def _scope(key: str | None) -> dict[str, Any]:
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


def flask_app(provider: TracerProvider) -> Flask:
    """Return a bare Flask application, instrumented on ``provider``."""
    app = Flask("benchmark")

    @app.get("/items/<int:number>")
    def item(number: int) -> dict[str, int]:
        return {"number": number}

    FlaskInstrumentor.instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    return app


def fastapi_app(provider: TracerProvider) -> FastAPI:
    """Return a bare FastAPI application, instrumented on ``provider``."""
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _start_response(*_: Any) -> Callable[[bytes], object]:
    return BytesIO().write


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(_: Message) -> None:
    pass
