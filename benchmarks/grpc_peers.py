"""The other ends of gRPC, each in a process of its own; see :mod:`benchmarks.peers`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import grpc

from benchmarks.peers import Load, line_of, running
from benchmarks.traffic import HEADERS, KEY_HEADER, keys

SERVICE = "benchmark.Items"
METHOD = f"/{SERVICE}/Get"
STREAM = f"/{SERVICE}/List"
MESSAGES = 4
"""How many a stream has."""
LOCAL = grpc.LocalConnectionType.UDS
"""Over which gRPC sends credentials without certificates."""
_SENT = tuple((name.lower(), HEADERS[name]) for name in ("Accept", "X-Request-Id"))


def metadata(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call, with ``key`` where there is one."""
    return _SENT if key is None else (*_SENT, (KEY_HEADER.lower(), key))


@contextmanager
def answering() -> Iterator[str]:
    """Run a server in another process and yield its target."""
    with running(__name__, "answer") as process:
        yield f"127.0.0.1:{line_of(process)}"


@contextmanager
def loading() -> Iterator[Load]:
    """Run a process that makes calls."""
    with running(__name__, "load") as process:
        yield Load(process)


@contextmanager
def streaming() -> Iterator[Load]:
    """Run a process that makes calls which are answered by streams."""
    with running(__name__, "stream") as process:
        yield Load(process)


def handlers(answer: Callable[..., Any], stream: Callable[..., Any]) -> grpc.GenericRpcHandler:
    """Return what serves both methods."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            METHOD.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(answer),
            STREAM.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(stream),
        },
    )


def answer(_: bytes, __: Any) -> bytes:
    """Answer once."""
    return b""


def stream(_: bytes, __: Any) -> Iterator[bytes]:
    """Answer a few times."""
    yield from repeat(b"", MESSAGES)


def of_local_users(target: str) -> str:
    """Return where the server of ``target`` takes calls with credentials (Linux only)."""
    return f"unix-abstract:keytrail-benchmark-{target.rpartition(':')[2]}"


def _answer() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([handlers(answer, stream)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_secure_port(
        of_local_users(f":{port}"), grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    )
    print(port, flush=True)
    server.start()
    server.wait_for_termination()


def _load(call: Callable[[grpc.Channel], Callable[..., object]]) -> None:
    methods: dict[int, Callable[..., object]] = {}
    for line in sys.stdin:
        port, calls, keyed = map(int, line.split())
        if port not in methods:
            methods[port] = call(grpc.insecure_channel(f"127.0.0.1:{port}"))
        for key in keys(calls, keyed=bool(keyed)):
            methods[port](b"", metadata=metadata(key), timeout=30)
        print("answered", flush=True)


def _calling(channel: grpc.Channel) -> Callable[..., object]:
    method: Callable[..., object] = channel.unary_unary(METHOD)
    return method


def _reading(channel: grpc.Channel) -> Callable[..., object]:
    method = channel.unary_stream(STREAM)
    return lambda *args, **kwargs: list(method(*args, **kwargs))


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        _answer()
    else:
        _load({"load": _calling, "stream": _reading}[sys.argv[1]])
