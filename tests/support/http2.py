"""A small server that speaks HTTP/2 and nothing else, in clear and under TLS."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from support.certificates import self_signed
from support.servers import Server


@contextmanager
def http2_server(host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server that clients with prior knowledge reach in clear, under the name ``host``."""
    with _serving(Server(host), Config()) as server:
        yield server


@contextmanager
def https2_server(directory: Path) -> Iterator[Server]:
    """Run one under TLS as ``localhost``; its certificate is ``directory / "certificate.pem"``."""
    signed = self_signed("localhost")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(signed.certificate)
    key.write_bytes(signed.key)
    config = Config()
    config.certfile, config.keyfile = str(certificate), str(key)
    config.alpn_protocols = ["h2"]
    with _serving(Server("localhost", scheme="https"), config) as server:
        yield server


@contextmanager
def _serving(server: Server, config: Config) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)  # hypercorn closes it
    server.port = listener.getsockname()[1]
    config.bind = [f"fd://{listener.detach()}"]
    loop = asyncio.new_event_loop()
    stopped, ready = asyncio.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send, ready)
        else:
            await _answer(server, scope, receive, send)

    def run() -> None:
        running: Any = serve(app, config, shutdown_trigger=stopped.wait)
        loop.run_until_complete(running)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(60)
        loop.close()


async def _live(receive: Any, send: Any, ready: threading.Event) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    ready.set()
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(server: Server, scope: Any, receive: Any, send: Any) -> None:
    assert scope["http_version"] == "2"
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + ("?" + query if query else "")
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    server.requests.append((target, headers))
    if server.silent:
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    status, more = server.routes.get(scope["path"], (200, {}))
    answer = [(name.lower().encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
