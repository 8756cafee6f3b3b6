"""gRPC's clients and servers, in threads and in tasks: one call after the other, messages empty."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
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

from benchmarks.grpc_peers import (
    LOCAL,
    METHOD,
    STREAM,
    answer,
    handlers,
    metadata,
    of_local_users,
    stream,
)
from benchmarks.library import Library, clock_of, thread_clock
from benchmarks.peers import Load
from benchmarks.traffic import keys

_Calling = Callable[[str | None], Awaitable[object]]


def grpc_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose calls wait in this thread."""
    method = _traced(grpc.insecure_channel(api), provider).unary_unary(METHOD)
    return _called(lambda key: method(b"", metadata=metadata(key)))


def grpc_stream_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose streams are read in this thread."""
    method = _traced(grpc.insecure_channel(api), provider).unary_stream(STREAM)
    return _called(lambda key: list(method(b"", metadata=metadata(key))))


def grpc_plugin_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel to whose calls a plugin adds the key, in a thread of gRPC's."""
    plugin = _Plugin()
    credentials = grpc.composite_channel_credentials(
        grpc.local_channel_credentials(LOCAL),
        grpc.metadata_call_credentials(plugin),
    )
    channel = grpc.secure_channel(of_local_users(api), credentials)
    method = _traced(channel, provider).unary_unary(METHOD)

    def call(key: str | None) -> None:
        plugin.key = key
        method(b"", metadata=metadata(None))

    return _called(call)


class _Plugin(grpc.AuthMetadataPlugin):  # type: ignore[misc]
    key: str | None = None

    def __call__(self, _: Any, callback: Callable[..., None]) -> None:
        callback(() if self.key is None else (("authorization", f"Bearer {self.key}"),), None)


def _traced(channel: grpc.Channel, provider: TracerProvider) -> grpc.Channel:
    interceptor = client_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
    return intercept_channel(channel, interceptor)  # type: ignore[no-untyped-call]


def _called(call: Callable[[str | None], object]) -> Library:
    def calls(number: int, keyed: bool) -> None:
        for key in keys(number, keyed=keyed):
            call(key)

    return Library(calls)


def grpc_aio_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose calls are awaited."""

    def calling(channel: grpc.aio.Channel) -> _Calling:
        method = channel.unary_unary(METHOD)
        return lambda key: method(b"", metadata=metadata(key))

    return _awaited(provider, api, calling)


def grpc_aio_stream_calling(provider: TracerProvider, api: str) -> Library:
    """Return a channel whose streams are read in a task."""

    def calling(channel: grpc.aio.Channel) -> _Calling:
        method = channel.unary_stream(STREAM)

        async def read(key: str | None) -> None:
            async for _ in method(b"", metadata=metadata(key)):
                pass

        return read

    return _awaited(provider, api, calling)


def _awaited(
    provider: TracerProvider, api: str, calling: Callable[[grpc.aio.Channel], _Calling]
) -> Library:
    loop = asyncio.new_event_loop()

    async def start() -> _Calling:
        interceptors = aio_client_interceptors(tracer_provider=provider)  # type: ignore[no-untyped-call]
        return calling(grpc.aio.insecure_channel(api, interceptors=interceptors))

    call = loop.run_until_complete(start())

    async def calls(number: int, keyed: bool) -> None:
        for key in keys(number, keyed=keyed):
            await call(key)

    return Library(lambda number, keyed: loop.run_until_complete(calls(number, keyed)))


def grpc_served(provider: TracerProvider, load: Load) -> Library:
    """Return a server that answers in a thread; that thread and the one before it count."""
    before = set(threading.enumerate())
    pool = ThreadPoolExecutor(1)
    pool.submit(int).result()
    interceptor = server_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
    server = grpc.server(pool, interceptors=[interceptor])
    server.add_generic_rpc_handlers([handlers(answer, stream)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    clocks = [clock_of(thread) for thread in set(threading.enumerate()) - before]

    threading.Thread(target=server.wait_for_termination, daemon=True).start()
    return Library(partial(load.call, port), lambda: sum(clock() for clock in clocks))


def grpc_aio_served(provider: TracerProvider, load: Load) -> Library:
    """Return a server that answers in a task."""
    loop = asyncio.new_event_loop()

    async def async_answer(*call: Any) -> bytes:
        return answer(*call)

    async def async_stream(*call: Any) -> AsyncIterator[bytes]:
        for message in stream(*call):
            yield message

    async def start() -> tuple[Any, int]:
        interceptor = aio_server_interceptor(tracer_provider=provider)  # type: ignore[no-untyped-call]
        server = grpc.aio.server(interceptors=[interceptor])
        server.add_generic_rpc_handlers([handlers(async_answer, async_stream)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = loop.run_until_complete(start())
    clock = thread_clock(lambda: loop.run_until_complete(server.wait_for_termination()))
    return Library(partial(load.call, port), clock)
