"""How calls of gRPC end, whatever a handler or a client does: both sides tell the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import (
    GrpcAioInstrumentorServer,
    GrpcInstrumentorClient,
    GrpcInstrumentorServer,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from support.cases import F1, K1
from support.instrumented import Instrumented

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
METADATA = (("x-api-key", K1),)
OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, NOT_FOUND, DENIED, LIMITED, UNAUTHENTICATED = (
    (0, "success", None),
    (1, "error", "CANCELLED"),
    (2, "error", "UNKNOWN"),
    (4, "error", "DEADLINE_EXCEEDED"),
    (5, "error", "NOT_FOUND"),
    (7, "denied", "PERMISSION_DENIED"),
    (8, "rate_limited", "RESOURCE_EXHAUSTED"),
    (16, "denied", "UNAUTHENTICATED"),
)
ENDS = {
    "answered": OK,
    "answered after an event": OK,
    "abort": UNAUTHENTICATED,
    "abort with trailing metadata": LIMITED,
    "abort_with_status": DENIED,
    "set_code": NOT_FOUND,
    "set_code, then raise": UNAUTHENTICATED,
    "raise": UNKNOWN,
    "cancelled by the client": CANCELLED,
    "deadline": DEADLINE_EXCEEDED,
}


class Status(NamedTuple):
    """What ``abort_with_status`` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str], ...]


_entered = threading.Event()
"""A handler waits for its client to go away."""


def _end(how: str, context: Any) -> Any:
    """End a call; what ``context`` returns is to be awaited where it is that of a task."""
    if how == "answered after an event":
        trace.get_current_span().add_event("cache miss")
    elif how == "abort":
        return context.abort(grpc.StatusCode.UNAUTHENTICATED, "told")
    elif how == "abort with trailing metadata":
        context.set_trailing_metadata((("more", "told"),))
        return context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "told")
    elif how == "abort_with_status":
        return context.abort_with_status(
            Status(grpc.StatusCode.PERMISSION_DENIED, "told", (("more", "told"),))
        )
    elif how == "set_code":
        context.set_code(grpc.StatusCode.NOT_FOUND)
    elif how == "set_code, then raise":
        context.set_code(grpc.StatusCode.UNAUTHENTICATED)
        raise LookupError(how)
    elif how == "raise":
        raise LookupError(how)
    return None


def _is_left(how: str) -> bool:
    return how in ("cancelled by the client", "deadline")


def _handle(request: bytes, context: Any) -> bytes:
    if _is_left(request.decode()):
        gone = threading.Event()
        if not context.add_callback(gone.set):
            gone.set()
        _entered.set()
        assert gone.wait(60)
    _end(request.decode(), context)
    return b"done"


async def _handle_async(request: bytes, context: Any) -> bytes:
    if _is_left(request.decode()):
        _entered.set()
        await asyncio.sleep(60)
    told = _end(request.decode(), context)
    if told is not None:
        await told
    return b"done"


def _in_threads() -> Any:
    def stream(request: bytes, context: Any) -> Iterator[bytes]:
        yield b"first"
        yield _handle(request, context)

    return _service(
        _handle,
        stream,
        lambda requests, context: _handle(next(requests), context),
        lambda requests, context: stream(next(requests), context),
    )


def _in_tasks() -> Any:
    async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        yield await _handle_async(request, context)

    async def of_stream(requests: AsyncIterator[bytes], context: Any) -> bytes:
        return await _handle_async(await anext(requests), context)

    async def streams(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for told in stream(await anext(requests), context):
            yield told

    return _service(_handle_async, stream, of_stream, streams)


def _service(*handlers: Callable[..., Any]) -> Any:
    return grpc.method_handlers_generic_handler(
        "test.Ends",
        {
            kind: getattr(grpc, f"{kind}_rpc_method_handler")(handler)
            for kind, handler in zip(KINDS, handlers, strict=True)
        },
    )


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Instrumented]:
    """Servers and clients of gRPC instrumented in this process; the test calls ``start``."""
    instrumentors = [GrpcInstrumentorClient, GrpcInstrumentorServer, GrpcAioInstrumentorServer]
    instrumented = Instrumented(tmp_path, instrumentors, is_global=True)
    _entered.clear()
    yield instrumented
    instrumented.stop()


class _Threads:
    """A server with threads."""

    def __enter__(self) -> int:
        self._server = grpc.server(ThreadPoolExecutor(4), [_in_threads()])
        port = int(self._server.add_insecure_port("127.0.0.1:0"))
        self._server.start()
        return port

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


class _Tasks:
    """A server with tasks, in an event loop of its own."""

    def __enter__(self) -> int:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return int(self._run(self._start()))

    def __exit__(self, *_: object) -> None:
        self._run(self._server.stop(None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(60)

    async def _start(self) -> int:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_in_tasks(),))
        port = int(self._server.add_insecure_port("127.0.0.1:0"))
        await self._server.start()
        return port


def _call(port: int, kind: str, how: str) -> None:
    """Call a method until it ends, or leave it."""
    request: Any = how.encode()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(60)  # a deadline is for the call alone
        method = getattr(channel, kind)(f"/test.Ends/{kind}")
        given = iter([request]) if kind.startswith("stream") else request
        options = {"metadata": METADATA, "timeout": 1 if how == "deadline" else 60}
        if how == "cancelled by the client":
            _leave(method, kind, given, options)
            return
        try:
            told = method(given, **options)
            list(told) if kind.endswith("stream") else told
        except grpc.RpcError:
            pass


def _leave(method: Any, kind: str, given: Any, options: dict[str, Any]) -> None:
    if kind.endswith("unary"):
        call = method.future(given, **options)
        assert _entered.wait(60)
        call.cancel()
        return
    call = method(given, **options)
    assert next(call) == b"first"
    leave = getattr(call, "cancel", None) or call.close  # its instrumentation gives a generator
    leave()


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", [_Threads, _Tasks])
def test_both_sides_tell_how_a_call_ended(
    server: Any, kind: str, sampler: Sampler, ends: Instrumented
) -> None:
    """Status code, outcome and error are the wire's, whatever the span of the server says."""
    ends.start(sampler)
    with server() as port:
        for number, how in enumerate(ENDS, 1):
            _call(port, kind, how)
            uses = ends.uses(2 * number)[-2:]
            told = {use["direction"]: (how, _told(use)) for use in uses}
            if told["incoming"] == ("deadline", CANCELLED):
                # That the client has given up came before the server's own clock said so.
                told["incoming"] = ("deadline", DEADLINE_EXCEEDED)
            assert told == {"incoming": (how, ENDS[how]), "outgoing": (how, ENDS[how])}
    incoming = [use for use in ends.uses() if use["direction"] == "incoming"]
    assert {use["key"] for use in incoming} == {F1}
    exported = ends.spans(2 * len(ENDS) if sampler is ALWAYS_ON else 0)
    spans = {span["context"]["span_id"]: span["attributes"] for span in exported}
    marked = [spans[f"0x{use['span_id']}"] for use in incoming] if spans else []
    assert [attributes["keytrail.outcome"] for attributes in marked] == [
        use["outcome"] for use in incoming if spans
    ]


def _told(use: dict[str, Any]) -> tuple[Any, ...]:
    return use["attributes"]["rpc.grpc.status_code"], use["outcome"], use.get("error")


def test_a_denied_call_without_a_key_is_told_where_it_is_asked_for(ends: Instrumented) -> None:
    """``KEYTRAIL_KEYLESS=denied`` sees every way to deny, too."""
    ends.start(ALWAYS_OFF, keyless="denied")
    with _Threads() as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for how in ("answered", "abort", "abort_with_status"):
            with nullcontext() if how == "answered" else pytest.raises(grpc.RpcError):
                channel.unary_unary("/test.Ends/unary_unary")(how.encode())
    assert [(use["outcome"], use["error"], use.get("key")) for use in ends.uses(2)] == [
        ("denied", "UNAUTHENTICATED", None),
        ("denied", "PERMISSION_DENIED", None),
    ]
