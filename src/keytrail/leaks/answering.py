"""The other sides of calls, on loopback: one that answers as it is told, one that never does."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from keytrail.leaks.calling import Addresses

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def others() -> Iterator[Addresses]:
    """Run both until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
            yield Addresses(
                f"http://127.0.0.1:{server.server_port}",
                f"http://127.0.0.1:{silent.getsockname()[1]}",
            )
    finally:
        server.shutdown()
        server.server_close()
