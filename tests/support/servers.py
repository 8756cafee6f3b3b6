"""Small HTTP servers on loopback that record what they are sent."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    """One server: ``routes`` maps a path to (status, headers); everything else is 200."""

    host: str
    port: int = 0
    routes: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    requests: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    scheme: str = "http"
    silent: bool = False
    """Of HTTP/2: whether requests get no answer."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.scheme}://{self.host}:{self.port}"


@contextmanager
def http_server(host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server that clients reach under the name ``host``."""
    server = Server(host)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.requests.append((self.path, self.headers.items()))
            status, headers = server.routes.get(self.path.partition("?")[0], (200, {}))
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as server.port:
        yield server


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """Read what was posted, unpacked."""
    body = request.rfile.read(int(request.headers["Content-Length"]))
    return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Answer a request; ``Retry_After`` is the header ``Retry-After``."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve on loopback in threads, on ``port`` or a free one; yield it.

    A client that breaks off is no news.
    """
    server = _Server(("127.0.0.1", port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        pass
