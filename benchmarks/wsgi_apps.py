"""WSGI applications that are called in this thread: no socket, no parsing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from io import BytesIO
from typing import Any
from unittest import mock

import falcon
from django.core.handlers.wsgi import WSGIHandler
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.falcon import _InstrumentedFalconAPI
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.pyramid import PyramidInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from pyramid.config import Configurator
from werkzeug.test import EnvironBuilder

from benchmarks.django_site import item, site
from benchmarks.library import Library
from benchmarks.traffic import HEADERS, PATH, QUERY, keys

_ENVIRON = EnvironBuilder(
    path=PATH,
    query_string=QUERY,
    headers=HEADERS.items(),
    environ_base={"REMOTE_ADDR": "192.0.2.7"},
).get_environ()


def flask_called(provider: TracerProvider) -> Library:
    """Return Flask."""
    return _called(flask_app(provider))


def django_called(provider: TracerProvider) -> Library:
    """Return Django, by WSGI."""
    in_force = site(item, provider)
    with in_force():
        return _called(WSGIHandler(), in_force)


def falcon_called(provider: TracerProvider) -> Library:
    """Return Falcon, by WSGI."""

    class Item:
        def on_get(self, _: falcon.Request, response: falcon.Response, number: int) -> None:
            response.media = {"number": number}

    app = _InstrumentedFalconAPI(_otel_opts={"tracer_provider": provider})  # type: ignore[no-untyped-call]
    app.add_route("/items/{number:int}", Item())
    return _called(app)


def pyramid_called(provider: TracerProvider) -> Library:
    """Return Pyramid, whose instrumentation asks for the global provider in each request."""
    with Configurator() as config:
        PyramidInstrumentor.instrument_config(config)  # type: ignore[no-untyped-call]
        config.add_route("item", "/items/{number}")
        config.add_view(_pyramid_item, route_name="item", renderer="json")
        return _called(config.make_wsgi_app(), partial(_global, provider))


def wsgi_called(provider: TracerProvider) -> Library:
    """Return a WSGI application of no framework."""

    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    return _called(OpenTelemetryMiddleware(app, tracer_provider=provider))


def _called(
    app: Any, in_force: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Library:
    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            body = app(environ(key), _start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()

    return Library(call, in_force=in_force)


@contextmanager
def _global(provider: TracerProvider) -> Iterator[None]:
    with mock.patch.object(trace, "_TRACER_PROVIDER", provider):
        yield


def _pyramid_item(request: Any) -> dict[str, int]:
    return {"number": int(request.matchdict["number"])}


def environ(key: str | None) -> dict[str, Any]:
    """Return a WSGI environ of the request."""
    found = {**_ENVIRON, "wsgi.input": BytesIO()}
    if key is not None:
        found["HTTP_X_API_KEY"] = key
    return found


def flask_app(provider: TracerProvider) -> Flask:
    """Return a bare Flask application, instrumented on ``provider``."""
    app = Flask("benchmark")

    @app.get("/items/<int:number>")
    def item(number: int) -> dict[str, int]:
        return {"number": number}

    FlaskInstrumentor.instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    return app


def _start_response(*_: Any) -> Callable[[bytes], object]:
    return BytesIO().write
