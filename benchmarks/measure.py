"""One library in one scenario, in a process of its own: the rounds, and whether they were right."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from benchmarks import asgi_apps, clients, grpc_calls, grpc_peers, on_sockets, peers, wsgi_apps
from benchmarks.library import Library
from benchmarks.pairs import Block, Round
from benchmarks.sides import Keytrail, Side, Stock
from keytrail import faults


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is sampled, and what calls carry."""

    recorded: bool
    keyed: bool


SCENARIOS = {
    "recorded, with key": Scenario(recorded=True, keyed=True),
    "unsampled, with key": Scenario(recorded=False, keyed=True),
    "unsampled, no key": Scenario(recorded=False, keyed=False),
    "recorded, no key": Scenario(recorded=True, keyed=False),
}

_IN_PROCESS = {
    "flask": wsgi_apps.flask_called,
    "django": wsgi_apps.django_called,
    "falcon": wsgi_apps.falcon_called,
    "pyramid": wsgi_apps.pyramid_called,
    "wsgi": wsgi_apps.wsgi_called,
    "fastapi": asgi_apps.fastapi_called,
    "starlette": asgi_apps.starlette_called,
    "litestar": asgi_apps.litestar_called,
    "django asgi": asgi_apps.django_called,
    "asgi": asgi_apps.asgi_called,
    "websocket": asgi_apps.websocket_called,
}
_ON_SOCKETS = {
    "flask on a socket": on_sockets.flask_served,
    "fastapi on a socket": on_sockets.fastapi_served,
    "aiohttp server": on_sockets.aiohttp_served,
    "tornado": on_sockets.tornado_served,
}
_GRPC_SERVERS = {
    "grpc server": (grpc_calls.grpc_served, grpc_peers.loading),
    "grpc server, stream": (grpc_calls.grpc_served, grpc_peers.streaming),
    "grpc.aio server": (grpc_calls.grpc_aio_served, grpc_peers.loading),
    "grpc.aio server, stream": (grpc_calls.grpc_aio_served, grpc_peers.streaming),
}
_CLIENTS = {
    "requests": clients.requests_calling,
    "urllib3": clients.urllib3_calling,
    "urllib": clients.urllib_calling,
    "httpx": clients.httpx_calling,
    "httpx async": clients.httpx_async_calling,
    "httpx, own transport": clients.httpx_over_own_transport,
    "httpx2": clients.httpx2_calling,
    "aiohttp client": clients.aiohttp_calling,
    "botocore": clients.botocore_calling,
    "presigned URL": clients.presigned_calling,
}
_GRPC_CLIENTS = {
    "grpc client": grpc_calls.grpc_calling,
    "grpc client, stream": grpc_calls.grpc_stream_calling,
    "grpc client, plugin": grpc_calls.grpc_plugin_calling,
    "grpc.aio client": grpc_calls.grpc_aio_calling,
    "grpc.aio client, stream": grpc_calls.grpc_aio_stream_calling,
}
_LAST_SPAN = 60.0
"""Seconds that a server on a socket may take to end a request that it has answered."""
LIBRARIES = (*_IN_PROCESS, *_ON_SOCKETS, *_GRPC_SERVERS, *_CLIENTS, *_GRPC_CLIENTS)


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, of blocks of how many calls."""

    rounds: int
    calls: int


@dataclass(frozen=True, slots=True)
class Bench:
    """A library on a side."""

    side: Side
    library: Library

    def block(self, calls: int, keyed: bool) -> Block:
        """Measure one block; what it leaves to export and to journal is flushed within it."""
        with self.side.in_force(), self.library.in_force():
            gc.collect()
            process, thread = time.process_time(), self.library.clock()
            self.library.call(calls, keyed)
            request_thread = self.library.clock() - thread
            self.side.provider.force_flush()
            whole_process = time.process_time() - process
        return Block(request_thread / calls, whole_process / calls)


class Measurement:
    """Three sides of one library, called in turn."""

    def __init__(
        self,
        build: Callable[[TracerProvider], Library],
        scenario: Scenario,
        sink: str,
        home: Path,
    ) -> None:
        sampler = ParentBased(ALWAYS_ON if scenario.recorded else ALWAYS_OFF)
        self._keyed = scenario.keyed
        self._keytrail = Keytrail(sampler, sink, home)
        sides = Stock(sampler, sink), self._keytrail, Stock(sampler, sink)
        self._benches = [_bench(side, build) for side in sides]
        self._calls = 0

    def warm_up(self, calls: int) -> None:
        """Fill every cache, then take what exists by now out of the garbage collector's sight."""
        self._round(calls)
        gc.freeze()

    def rounds(self, effort: Effort) -> list[Round]:
        """Return the blocks of ``effort``."""
        return [self._round(effort.calls) for _ in range(effort.rounds)]

    def _round(self, calls: int) -> Round:
        there = [bench.block(calls, self._keyed) for bench in self._benches]
        back = [bench.block(calls, self._keyed) for bench in reversed(self._benches)]
        self._calls += 2 * calls
        return Round(*zip(there, reversed(back), strict=True))

    def check(self) -> None:
        """Stop where keytrail did not do, for every call, what was measured.

        Raises:
            SystemExit: a use is missing or too much, or something in keytrail failed.
        """
        expected = self._calls if self._keyed else 0
        deadline = time.monotonic() + _LAST_SPAN
        while (books := self._books()) != (expected, expected, {}):
            if time.monotonic() > deadline:
                raise SystemExit(f"expected {expected} uses; seen, delivered, faults: {books}")

    def _books(self) -> tuple[int, int, dict[str, int]]:
        self._keytrail.provider.force_flush()
        books = self._keytrail.audit.journal.accounting.snapshot()
        return books.seen, books.delivered, faults.counts()

    def close(self) -> None:
        """Stop what the sides run."""
        for bench in self._benches:
            bench.side.provider.shutdown()
        self._keytrail.audit.close()


def _bench(side: Side, build: Callable[[TracerProvider], Library]) -> Bench:
    """Build a library on a side: gRPC's servers and channels are tapped when they are made."""
    with side.in_force():
        return Bench(side, build(side.provider))


def measure(
    library: str, scenario: str, efforts: tuple[Effort, ...], sink: str, api: str, home: Path
) -> list[list[Round]]:
    """Return the rounds of each of ``efforts``.

    Raises:
        SystemExit: what was measured is not what should have been.
    """
    with ExitStack() as stack:
        build = _builder(library, api, stack)
        measurement = Measurement(build, SCENARIOS[scenario], sink, home)
        stack.callback(measurement.close)
        measurement.warm_up(efforts[0].calls * 4)
        found = [measurement.rounds(effort) for effort in efforts]
        measurement.check()
        return found


def _builder(library: str, api: str, stack: ExitStack) -> Callable[[TracerProvider], Library]:
    if library in _IN_PROCESS:
        return _IN_PROCESS[library]
    if library in _CLIENTS:
        return partial(_CLIENTS[library], api=api)
    if library in _GRPC_CLIENTS:
        return partial(_GRPC_CLIENTS[library], api=stack.enter_context(grpc_peers.answering()))
    if library in _GRPC_SERVERS:
        serve, loading = _GRPC_SERVERS[library]
        return partial(serve, load=stack.enter_context(loading()))
    return partial(_ON_SOCKETS[library], load=stack.enter_context(peers.loading()))
