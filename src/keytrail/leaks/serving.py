"""Instrumented servers without a socket: a request goes in, as the framework would get it.

``SERVERS`` has one entry for each framework whose instrumentation keytrail reads.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.leaks.arriving import Request

    Handle = Callable[[], int]
    """Does what the application does, and returns the status."""
    Serve = Callable[[Request], None]


def _fastapi(handle: Handle) -> Serve:
    import fastapi
    from starlette.responses import Response
    from starlette.routing import Route

    app = fastapi.FastAPI()
    app.router.routes.append(Route("/{rest:path}", lambda _: Response(status_code=handle())))
    return lambda request: asyncio.run(_through_asgi(app, request))


def _flask(handle: Handle) -> Serve:
    import flask

    app = flask.Flask("keytrail")

    @app.route("/<path:_rest>")
    def answer(_rest: str) -> flask.Response:
        return flask.Response(status=handle())

    return lambda request: _through_wsgi(app, request)


SERVERS: Final[dict[str, Callable[[Handle], Serve]]] = {"fastapi": _fastapi, "flask": _flask}
"""Distribution of a framework → what serves requests through it; raises where it is missing."""


async def _through_asgi(app: Any, request: Request) -> None:
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in request.headers.items()
        ],
        "client": ("192.0.2.1", 50_000),
        "server": ("localhost", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: dict[str, Any]) -> None:
        pass

    with suppress(Exception):  # which the server would log, after all telemetry of the request
        await app(scope, receive, send)


def _through_wsgi(app: Any, request: Request) -> None:
    path, _, query = request.path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path),
        "QUERY_STRING": query,
        "REQUEST_URI": request.path,
        "RAW_URI": request.path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": None,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    with suppress(Exception):
        answer = app(environ, lambda *_: lambda _: None)
        list(answer)
        answer.close()
