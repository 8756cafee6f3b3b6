"""httpx: httpcore's pools for the wire, the client's ``send`` for what belongs to one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from keytrail.capture.adapters.taps import Tap, Wire, put
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.capture.reader import RequestReader


def install(wire: Wire) -> list[Tap]:
    """Tap every pool's requests, and hold the hops of one ``send`` together."""

    def handle(send: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        hop = wire.begin(
            lambda: _may_carry_key(wire.reader, *args, **kwargs),
            lambda: _view(wire.reader.wanted, *args, **kwargs),
            across_spans=True,
        )
        if hop is None:
            return send(*args, **kwargs)
        try:
            response = send(*args, **kwargs)
        except BaseException as error:
            hop.fail(error)
            raise
        hop.finish(response.status)
        return response

    async def handle_async(send: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        hop = wire.begin(
            lambda: _may_carry_key(wire.reader, *args, **kwargs),
            lambda: _view(wire.reader.wanted, *args, **kwargs),
            across_spans=True,
        )
        if hop is None:
            return await send(*args, **kwargs)
        try:
            response = await send(*args, **kwargs)
        except BaseException as error:
            hop.fail(error)
            raise
        hop.finish(response.status)
        return response

    def call(send: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        with wire.chain() as chain:
            response = send(*args, **kwargs)
            if not chain.seen:
                _report_whole(wire, response)
            return response

    async def call_async(send: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        with wire.chain() as chain:
            response = await send(*args, **kwargs)
            if not chain.seen:
                _report_whole(wire, response)
            return response

    return [
        put(httpcore.ConnectionPool, "handle_request", handle),
        put(httpcore.AsyncConnectionPool, "handle_async_request", handle_async),
        put(httpx.Client, "send", call),
        put(httpx.AsyncClient, "send", call_async),
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
            hop.finish(answer.status_code)


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
