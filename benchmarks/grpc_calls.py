"""gRPC's clients and servers, in threads and in tasks: one unary call of an empty message."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import grpc.aio
from opentelemetry.instrumentation.grpc import (
    aio_client_interceptors,
    aio_server_interceptor,
    client_interceptor,
    server_interceptor,
)
from opentelemetry.instrumentation.grpc.grpcext import intercept_channel
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.grpc_peers import METHOD, SERVICE, metadata
from benchmarks.library import Library, clock_of, thread_clock
from benchmarks.peers import Load
from benchmarks.traffic import keys


def grpc_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose calls wait in this thread."""
    interceptor = client_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
    channel = intercept_channel(grpc.insecure_channel(api), interceptor)  # type: ignore[no-untyped-call]
    method = channel.unary_unary(METHOD)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            method(b"", metadata=metadata(key))

    return Library(call)


def grpc_aio_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose calls are awaited."""
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        interceptors = aio_client_interceptors(tracer_provider=provider)  # type: ignore[no-untyped-call]
        return grpc.aio.insecure_channel(api, interceptors=interceptors).unary_unary(METHOD)

    method = loop.run_until_complete(start())

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            await method(b"", metadata=metadata(key))

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


def grpc_served(provider: TracerProvider, load: Load) -> Library:
    """Return a server that answers in a thread; that thread and the one before it count."""
    before = set(threading.enumerate())
    pool = ThreadPoolExecutor(1)
    pool.submit(int).result()
    interceptor = server_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
    server = grpc.server(pool, interceptors=[interceptor])
    server.add_generic_rpc_handlers([_handlers(lambda _, __: b"")])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    clocks = [clock_of(thread) for thread in set(threading.enumerate()) - before]

    threading.Thread(target=server.wait_for_termination, daemon=True).start()
    return Library(partial(load.call, port), lambda: sum(clock() for clock in clocks))


def grpc_aio_served(provider: TracerProvider, load: Load) -> Library:
    """Return a server that answers in a task."""
    loop = asyncio.new_event_loop()

    async def answer(_: Any, __: Any) -> bytes:
        return b""

    async def start() -> tuple[Any, int]:
        interceptor = aio_server_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
        server = grpc.aio.server(interceptors=[interceptor])
        server.add_generic_rpc_handlers([_handlers(answer)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = loop.run_until_complete(start())
    clock = thread_clock(lambda: loop.run_until_complete(server.wait_for_termination()))
    return Library(partial(load.call, port), clock)


def _handlers(answer: Callable[[Any, Any], Any]) -> grpc.GenericRpcHandler:
    name = METHOD.rpartition("/")[2]
    return grpc.method_handlers_generic_handler(
        SERVICE, {name: grpc.unary_unary_rpc_method_handler(answer)}
    )
