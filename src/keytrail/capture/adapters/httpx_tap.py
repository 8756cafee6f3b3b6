"""httpx: httpcore's pools for the wire, the client's ``send`` for what belongs to one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from keytrail.capture import challenge
from keytrail.capture.adapters.taps import Hop, Tap, Wire, put
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keytrail.capture.reader import RequestReader

_CHALLENGES = frozenset(name.encode() for name in challenge.HEADERS)


def install(wire: Wire) -> list[Tap]:
    """Tap every pool's requests, and hold the hops of one ``send`` together."""

    def begin(request: httpcore.Request) -> Hop | None:
        return wire.begin(
            lambda: _may_carry_key(wire.reader, request),
            lambda: _view(wire.reader.wanted, request),
            across_spans=True,
        )

    def tapping_pool(send: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(pool: Any, request: httpcore.Request) -> Any:
            hop = begin(request)
            if hop is None:
                return send(pool, request)
            try:
                response = send(pool, request)
            except BaseException as error:
                hop.fail(error)
                raise
            hop.finish(response.status, partial(_challenges, response.headers))
            return response

        return handle_request

    def tapping_async_pool(send: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_async_request(pool: Any, request: httpcore.Request) -> Any:
            hop = begin(request)
            if hop is None:
                return await send(pool, request)
            try:
                response = await send(pool, request)
            except BaseException as error:
                hop.fail(error)
                raise
            hop.finish(response.status, partial(_challenges, response.headers))
            return response

        return handle_async_request

    def tapping_client(send: Callable[..., Any]) -> Callable[..., Any]:
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            with wire.chain() as chain:
                response = send(client, *args, **kwargs)
                if not chain.seen:
                    _report_whole(wire, response)
                return response

        return call

    def tapping_async_client(send: Callable[..., Any]) -> Callable[..., Any]:
        async def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            with wire.chain() as chain:
                response = await send(client, *args, **kwargs)
                if not chain.seen:
                    _report_whole(wire, response)
                return response

        return call

    return [
        put(httpcore.ConnectionPool, "handle_request", tapping_pool),
        put(httpcore.AsyncConnectionPool, "handle_async_request", tapping_async_pool),
        put(httpx.Client, "send", tapping_client),
        put(httpx.AsyncClient, "send", tapping_async_client),
    ]


def _report_whole(wire: Wire, response: httpx.Response) -> None:
    """Report a call that went over a transport of the application's own, once it is answered."""
    for answer in (*response.history, response):
        url, headers = answer.request.url, answer.request.headers.raw
        request = httpcore.Request(answer.request.method, str(url), headers=headers)
        hop = wire.begin(
            partial(_may_carry_key, wire.reader, request),
            partial(_view, wire.reader.wanted, request),
            across_spans=True,
        )
        if hop is not None:
            hop.finish(answer.status_code, partial(_challenges, answer.headers.raw))


def _challenges(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name.lower() in _CHALLENGES]


def _may_carry_key(reader: RequestReader, request: httpcore.Request) -> bool:
    names = [name.lower() for name, _ in request.headers]
    url = request.url
    return reader.may_go_out(names, url.target.decode("latin-1"), url.host.decode("latin-1"))


def _view(wanted: frozenset[str], request: httpcore.Request) -> RequestView:
    url = request.url
    path, _, query = url.target.partition(b"?")
    return RequestView(
        method=request.method.decode("latin-1"),
        scheme=url.scheme.decode("latin-1"),
        host=url.host.decode("latin-1").strip("[]").lower(),
        port=url.port,
        path=path.decode("latin-1"),
        query=query.partition(b"#")[0],
        headers=[
            (lower, value)
            for name, value in request.headers
            if (lower := name.decode("latin-1").lower()) in wanted
        ],
    )
