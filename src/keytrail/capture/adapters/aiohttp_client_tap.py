"""aiohttp's client: the request as it is sent, when its authentication and cookies are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp.client import ClientSession
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from keytrail.capture.adapters.taps import Hop, Tap, Wire, put
from keytrail.capture.adapters.url_userinfo import minding_async, sent_userinfo, userinfo_in
from keytrail.capture.challenge import lines_of
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.capture.reader import RequestReader

_LIBRARY = "aiohttp"
_HOP = "_keytrail_hop"


def install(wire: Wire) -> list[Tap]:
    """Tap each request and its response's head, and hold the hops of one call together."""

    def tapping_call(call: Callable[..., Any]) -> Callable[..., Any]:
        async def _request(*args: Any, **kwargs: Any) -> Any:
            chain = wire.enter(_LIBRARY)
            try:
                return await call(*args, **kwargs)
            finally:
                wire.leave(chain)

        return _request

    def tapping_send(send: Callable[..., Any]) -> Callable[..., Any]:
        async def tapped(request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.method == "CONNECT":
                return await send(request, *args, **kwargs)
            hop = wire.begin(
                lambda: _may_carry_key(wire.reader, request),
                lambda: _view(wire.reader.wanted, request),
                within=_LIBRARY,
            )
            try:
                response = await send(request, *args, **kwargs)
            except BaseException as error:
                if hop is not None:
                    hop.fail(error)
                raise
            response.__dict__[_HOP] = hop
            return response

        return tapped

    def tapping_start(start: Callable[..., Any]) -> Callable[..., Any]:
        async def tapped(response: Any, *args: Any, **kwargs: Any) -> Any:
            hop: Hop | None = response.__dict__.pop(_HOP, None)
            try:
                started = await start(response, *args, **kwargs)
            except BaseException as error:
                if hop is not None:
                    hop.fail(error)
                raise
            if hop is not None:
                hop.finish(response.status, lambda: lines_of(response.headers.items()))
            return started

        return tapped

    return [
        put(ClientSession, "_request", minding_async(_userinfo)),
        put(ClientSession, "_request", tapping_call),
        put(ClientRequest, "send", tapping_send),
        put(ClientResponse, "start", tapping_start),
    ]


def _userinfo(_session: Any, _method: str, url: Any, **_: Any) -> bytes:
    return userinfo_in(str(url))


def _may_carry_key(reader: RequestReader, request: Any) -> bool:
    url = request.url
    return reader.may_go_out(
        [name.lower() for name in request.headers], url.raw_path_qs, url.host or ""
    )


def _view(wanted: frozenset[str], request: Any) -> RequestView:
    url = request.url
    headers = [
        (lower, value.encode("utf-8", "surrogateescape"))
        for name, value in request.headers.items()
        if (lower := name.lower()) in wanted
    ]
    return RequestView(
        method=request.method,
        scheme=url.scheme,
        host=(url.host or "").lower(),
        port=url.port,
        path=url.raw_path,
        query=url.raw_query_string.encode("utf-8", "surrogatepass"),
        headers=headers,
        userinfo=sent_userinfo(headers),
    )
