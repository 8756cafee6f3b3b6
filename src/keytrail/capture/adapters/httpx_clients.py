"""httpx and httpx2: the pools of their core for the wire, ``send`` for what belongs to one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from keytrail.capture.adapters.taps import Hop, Tap, Wire, put
from keytrail.capture.adapters.url_userinfo import minding, minding_async, sent_userinfo
from keytrail.capture.challenge import lines_of
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from keytrail.capture.reader import RequestReader

_LIBRARY = "httpx"


def tap_clients(library: ModuleType, core: ModuleType, wire: Wire) -> list[Tap]:
    """Tap every pool's requests, and hold the hops of one ``send`` together."""

    def begin(request: Any) -> Hop | None:
        return wire.begin(
            lambda: _may_carry_key(wire.reader, request),
            lambda: _view(wire.reader.wanted, request),
            within=_LIBRARY,
        )

    def tapping_pool(send: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(pool: Any, request: Any) -> Any:
            hop = begin(request)
            if hop is None:
                return send(pool, request)
            try:
                response = send(pool, request)
            except BaseException as error:
                hop.fail(error)
                raise
            hop.finish(response.status, partial(lines_of, response.headers))
            return response

        return handle_request

    def tapping_async_pool(send: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_async_request(pool: Any, request: Any) -> Any:
            hop = begin(request)
            if hop is None:
                return await send(pool, request)
            try:
                response = await send(pool, request)
            except BaseException as error:
                hop.fail(error)
                raise
            hop.finish(response.status, partial(lines_of, response.headers))
            return response

        return handle_async_request

    def tapping_client(send: Callable[..., Any]) -> Callable[..., Any]:
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            chain = wire.enter(_LIBRARY)
            try:
                response = send(client, *args, **kwargs)
                if not chain.seen:
                    _report_whole(wire, core, response)
                return response
            finally:
                wire.leave(chain)

        return call

    def tapping_async_client(send: Callable[..., Any]) -> Callable[..., Any]:
        async def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            chain = wire.enter(_LIBRARY)
            try:
                response = await send(client, *args, **kwargs)
                if not chain.seen:
                    _report_whole(wire, core, response)
                return response
            finally:
                wire.leave(chain)

        return call

    return [
        put(core.ConnectionPool, "handle_request", tapping_pool),
        put(core.AsyncConnectionPool, "handle_async_request", tapping_async_pool),
        put(library.Client, "send", minding(_userinfo)),
        put(library.AsyncClient, "send", minding_async(_userinfo)),
        put(library.Client, "send", tapping_client),
        put(library.AsyncClient, "send", tapping_async_client),
    ]


def _userinfo(_client: Any, request: Any, **_: Any) -> bytes:
    userinfo: bytes = request.url.userinfo
    return userinfo


def _report_whole(wire: Wire, core: ModuleType, response: Any) -> None:
    """Report a call that went over a transport of the application's own, once it is answered."""
    for answer in (*response.history, response):
        url, headers = answer.request.url, answer.request.headers.raw
        target = core.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        request = core.Request(answer.request.method, target, headers=headers)
        hop = wire.begin(
            partial(_may_carry_key, wire.reader, request),
            partial(_view, wire.reader.wanted, request),
            within=_LIBRARY,
        )
        if hop is not None:
            hop.finish(answer.status_code, partial(lines_of, answer.headers.raw))


def _may_carry_key(reader: RequestReader, request: Any) -> bool:
    names = [name.lower() for name, _ in request.headers]
    url = request.url
    return reader.may_go_out(names, url.target.decode("latin-1"), url.host.decode("latin-1"))


def _view(wanted: frozenset[str], request: Any) -> RequestView:
    url = request.url
    path, _, query = url.target.partition(b"?")
    headers = [
        (lower, value)
        for name, value in request.headers
        if (lower := name.decode("latin-1").lower()) in wanted
    ]
    return RequestView(
        method=request.method.decode("latin-1"),
        scheme=url.scheme.decode("latin-1"),
        host=url.host.decode("latin-1").strip("[]").lower(),
        port=url.port,
        path=path.decode("latin-1"),
        query=query.partition(b"#")[0],
        headers=headers,
        userinfo=sent_userinfo(headers),
    )
