"""The other ends, each in a process of its own: what answers calls, and what makes them.

``python -m benchmarks.peers answer`` is API server and OTLP sink: it answers every request with
200 and prints its port. ``python -m benchmarks.peers load`` reads lines ``port calls keyed``, makes
the calls over one connection a port for as long as the server
keeps it, and prints a line when they are answered.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.traffic import keys, raw_request

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_TIMEOUT = 30.0


@contextmanager
def answering() -> Iterator[str]:
    """Run a server in another process and yield its URL."""
    with running(__name__, "answer") as process:
        yield f"http://127.0.0.1:{line_of(process)}"


class Load:
    """Calls to servers of this process, made by another one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, port: int, calls: int, keyed: bool) -> None:
        """Make ``calls`` calls, one after the other, and wait until all are answered."""
        assert self._process.stdin is not None
        print(port, calls, int(keyed), file=self._process.stdin, flush=True)
        line_of(self._process)


@contextmanager
def loading() -> Iterator[Load]:
    """Run a process that makes calls."""
    with running(__name__, "load") as process:
        yield Load(process)


@contextmanager
def running(module: str, command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module with a command in another process."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"the process {process.args!r} ended")
    return line.strip()


class _Answering(asyncio.Protocol):
    """HTTP/1.1 with ``Content-Length`` or no body at all: what the clients here send."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _content_length(self._received[:end])
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._transport.write(_ANSWER)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _answer() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _load() -> None:
    connections: dict[int, socket.socket] = {}
    for line in sys.stdin:
        port, calls, keyed = map(int, line.split())
        for key in keys(calls, keyed=bool(keyed)):
            connection = connections.pop(port, None) or _connect(port)
            connection.sendall(raw_request(key))
            if _stays_open(connection):
                connections[port] = connection
            else:
                connection.close()
        print("answered", flush=True)


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)


def _stays_open(connection: socket.socket) -> bool:
    """Read one answer; Flask's own server ends the connection after each."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _some(connection)
    whole = end + 4 + _content_length(received[:end])
    while len(received) < whole:
        received += _some(connection)
    return b"\r\nconnection: close" not in received[:end].lower()


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise SystemExit("the server closed the connection")
    return data


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        asyncio.run(_answer())
    else:
        _load()
