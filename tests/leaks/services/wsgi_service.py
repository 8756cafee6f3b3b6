"""The oracle's service as a WSGI application of its own, wrapped by its author."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

from leaks.handling import handle


def _answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    status = handle(path) if path.startswith(("/in/", "/out/", "/finish")) else 404
    start_response(f"{status} {HTTPStatus(status).phrase}", [("Content-Length", "0")])
    return [b""]


_instrumented = OpenTelemetryMiddleware(_answer)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Log what fails, as WSGI servers do, where wsgiref would write it past ``logging``."""
    try:
        return list(_instrumented(environ, start_response))
    except Exception:
        logging.getLogger("server").exception("error in %s", environ["PATH_INFO"])
        start_response("500 Internal Server Error", [("Content-Length", "0")], sys.exc_info())
        return [b""]


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's name
        logging.getLogger("access").info(format, *args)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), app, _Server, _Handler).serve_forever()
