"""The oracle's service as a WSGI application of its own, wrapped by its author."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

from leaks.handling import handle


def _answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    status = handle(path) if path.startswith(("/in/", "/out/", "/finish")) else 404
    start_response(f"{status} {HTTPStatus(status).phrase}", [("Content-Length", "0")])
    return [b""]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    app = OpenTelemetryMiddleware(_answer)
    make_server("127.0.0.1", int(sys.argv[1]), app, _Server).serve_forever()
