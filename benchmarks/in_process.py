"""Applications that are called in this thread: no socket, no parsing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from io import BytesIO
from types import ModuleType
from typing import Any
from unittest import mock

import django
import falcon
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as ASGIMiddleware
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.falcon import _InstrumentedFalconAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.pyramid import PyramidInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WSGIMiddleware
from opentelemetry.sdk.trace import TracerProvider
from pyramid.config import Configurator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from werkzeug.test import EnvironBuilder

from benchmarks.library import Library, instrumenting
from benchmarks.traffic import HEADERS, KEY_HEADER, PATH, QUERY, keys

Message = MutableMapping[str, Any]

_ENVIRON = EnvironBuilder(
    path=PATH,
    query_string=QUERY,
    headers=HEADERS.items(),
    environ_base={"REMOTE_ADDR": "192.0.2.7"},
).get_environ()
_LINES = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


def flask_called(provider: TracerProvider) -> Library:
    """Return Flask."""
    return _wsgi_called(flask_app(provider))


def django_called(provider: TracerProvider) -> Library:
    """Return Django, by WSGI."""
    if not django_settings.configured:
        routes = ModuleType("routes")
        routes.urlpatterns = [path("items/<int:number>", _django_item)]  # type: ignore[attr-defined]
        django_settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=routes, LOGGING_CONFIG=None)
        django.setup()
    in_force = partial(instrumenting, DjangoInstrumentor(), provider)
    with in_force():
        return _wsgi_called(WSGIHandler(), in_force)


def falcon_called(provider: TracerProvider) -> Library:
    """Return Falcon, by WSGI."""

    class Item:
        def on_get(self, _: falcon.Request, response: falcon.Response, number: int) -> None:
            response.media = {"number": number}

    app = _InstrumentedFalconAPI(_otel_opts={"tracer_provider": provider})  # type: ignore[no-untyped-call]
    app.add_route("/items/{number:int}", Item())
    return _wsgi_called(app)


def pyramid_called(provider: TracerProvider) -> Library:
    """Return Pyramid, whose instrumentation asks for the global provider in each request."""
    with Configurator() as config:
        PyramidInstrumentor.instrument_config(config)  # type: ignore[no-untyped-call]
        config.add_route("item", "/items/{number}")
        config.add_view(_pyramid_item, route_name="item", renderer="json")
        return _wsgi_called(config.make_wsgi_app(), partial(_global, provider))


def wsgi_called(provider: TracerProvider) -> Library:
    """Return a WSGI application of no framework."""

    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    return _wsgi_called(WSGIMiddleware(app, tracer_provider=provider))


def fastapi_called(provider: TracerProvider) -> Library:
    """Return FastAPI."""
    return _asgi_called(fastapi_app(provider))


def starlette_called(provider: TracerProvider) -> Library:
    """Return Starlette."""

    async def item(request: Request) -> JSONResponse:
        return JSONResponse({"number": request.path_params["number"]})

    app = Starlette(routes=[Route("/items/{number:int}", item)])
    StarletteInstrumentor.instrument_app(app, tracer_provider=provider)
    return _asgi_called(app)


def asgi_called(provider: TracerProvider) -> Library:
    """Return an ASGI application of no framework."""

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    return _asgi_called(ASGIMiddleware(app, tracer_provider=provider))


def _wsgi_called(
    app: Any, in_force: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Library:
    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            body = app(environ(key), _start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()

    return Library(call, in_force=in_force)


def _asgi_called(app: Any) -> Library:
    loop = asyncio.new_event_loop()

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            await app(scope(key), _receive, _ignore)

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


@contextmanager
def _global(provider: TracerProvider) -> Iterator[None]:
    with mock.patch.object(trace, "_TRACER_PROVIDER", provider):
        yield


def _django_item(_: HttpRequest, number: int) -> JsonResponse:
    return JsonResponse({"number": number})


def _pyramid_item(request: Any) -> dict[str, int]:
    return {"number": int(request.matchdict["number"])}


def environ(key: str | None) -> dict[str, Any]:
    """Return a WSGI environ of the request."""
    found = {**_ENVIRON, "wsgi.input": BytesIO()}
    if key is not None:
        found["HTTP_X_API_KEY"] = key
    return found


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


def _start_response(*_: Any) -> Callable[[bytes], object]:
    return BytesIO().write


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(_: Message) -> None:
    pass
