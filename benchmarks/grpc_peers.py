"""The other ends of gRPC, each in a process of its own; see :mod:`benchmarks.peers`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from benchmarks.peers import Load, line_of, running
from benchmarks.traffic import HEADERS, KEY_HEADER, keys

SERVICE = "benchmark.Items"
METHOD = f"/{SERVICE}/Get"
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


def _answer() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(lambda _, __: b"")
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {METHOD.rpartition("/")[2]: handler})]
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def _load() -> None:
    methods: dict[int, Any] = {}
    for line in sys.stdin:
        port, calls, keyed = map(int, line.split())
        if port not in methods:
            methods[port] = grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary(METHOD)
        for key in keys(calls, keyed=bool(keyed)):
            methods[port](b"", metadata=metadata(key), timeout=30)
        print("answered", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        _answer()
    else:
        _load()
