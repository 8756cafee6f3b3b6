"""Connections of http.client: urllib, urllib3, and whoever uses them directly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from keytrail.capture.adapters.taps import Hop, Tap, Wire, put
from keytrail.capture.adapters.url_userinfo import sent_userinfo
from keytrail.capture.challenge import lines_of
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keytrail.capture.reader import RequestReader

_HOP: Final = "_keytrail_hop"
_TELLS: Final = "_keytrail_tells"
"""Set while a tapped connection sends: one that hands on to its parent's method is told once."""
_TLS_PORT: Final = 443
_Target = tuple[str, str, "int | None", str, str]
"""Scheme, host, port, path and query."""


def tap_connections(connections: type, wire: Wire, within: str) -> list[Tap]:
    """Tap the requests of a class as they go out and the responses' heads as they come back."""

    def tapping_request(send: Callable[..., Any]) -> Callable[..., Any]:
        def request(connection: Any, *args: Any, **kwargs: Any) -> Any:
            kept = connection.__dict__
            if _TELLS in kept:
                return send(connection, *args, **kwargs)
            hop = wire.begin(
                lambda: may_carry_key(connection, wire.reader, *args, **kwargs),
                lambda: view(connection, wire.reader.wanted, *args, **kwargs),
                within=within,
            )
            kept[_TELLS] = True
            try:
                result = send(connection, *args, **kwargs)
            except BaseException as error:
                kept.pop(_HOP, None)
                if hop is not None:
                    hop.fail(error)
                raise
            finally:
                del kept[_TELLS]
            kept[_HOP] = hop
            return result

        return request

    def tapping_getresponse(receive: Callable[..., Any]) -> Callable[..., Any]:
        def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
            hop: Hop | None = connection.__dict__.pop(_HOP, None)
            if hop is None:
                return receive(connection, *args, **kwargs)
            try:
                response = receive(connection, *args, **kwargs)
            except BaseException as error:
                hop.fail(error)
                raise
            hop.finish(response.status, lambda: lines_of(response.headers.items()))
            return response

        return getresponse

    return [
        put(connections, "request", tapping_request),
        put(connections, "getresponse", tapping_getresponse),
    ]


def may_carry_key(
    connection: Any,
    reader: RequestReader,
    method: str,  # noqa: ARG001 - callers pass them by position
    url: str,
    body: Any = None,  # noqa: ARG001
    headers: Any = None,
    **_: Any,
) -> bool:
    """Tell whether a key may be in what ``connection`` is about to send."""
    names = [name.lower() for name in headers or ()]
    absolute = _absolute(url)
    if absolute is None:
        return reader.may_go_out(names, url, _host(connection))
    _scheme, host, _port, path, query = absolute
    return reader.may_go_out(names, f"{path}?{query}", host)


def view(
    connection: Any,
    wanted: frozenset[str],
    method: str,
    url: str,
    body: Any = None,  # noqa: ARG001 - callers pass it by position
    headers: Any = None,
    **_: Any,
) -> RequestView:
    """Return the request that ``connection`` is about to send."""
    scheme, host, port, path, query = _absolute(url) or _relative(connection, url)
    return RequestView(
        method=method,
        scheme=scheme,
        host=host.strip("[]").lower(),
        port=port,
        path=path,
        query=query.encode("utf-8", "surrogatepass"),
        headers=(sent := _headers(headers, wanted)),
        userinfo=sent_userinfo(sent),
    )


def _absolute(url: str) -> _Target | None:
    """Take apart what is sent to a proxy; ``None`` for what is sent to the host itself."""
    if url.startswith("/"):
        return None
    target = urlsplit(url)
    if not target.scheme:
        return None
    return target.scheme, target.hostname or "", target.port, target.path, target.query


def _relative(connection: Any, url: str) -> _Target:
    path, _, query = url.partition("#")[0].partition("?")
    scheme = "https" if connection.default_port == _TLS_PORT else "http"
    port = getattr(connection, "_tunnel_port", None) or connection.port
    return scheme, _host(connection), port, path, query


def _headers(headers: Any, wanted: frozenset[str]) -> list[tuple[str, bytes]]:
    return [
        (lower, value if isinstance(value, bytes) else _wire(value))
        for name, value in _lines(headers or {}, wanted)
        if (lower := _lower(name)) in wanted
    ]


def _lines(headers: Any, wanted: frozenset[str]) -> Iterable[tuple[Any, Any]]:
    """Return the lines to look at: the wanted alone, where a name has one value."""
    if not isinstance(headers, Mapping) or hasattr(headers, "getlist"):
        return headers.items()
    return [(name, headers[name]) for name in headers if _lower(name) in wanted]


def _host(connection: Any) -> str:
    """Return the host that is called, whatever proxy the connection goes through."""
    host: str = getattr(connection, "_tunnel_host", None) or connection.host
    return host.lower()


def _lower(name: str | bytes) -> str:
    return (name if isinstance(name, str) else name.decode("latin-1")).lower()


def _wire(value: Any) -> bytes:
    """Encode as http.client's ``putheader`` does, and never fail where it would."""
    try:
        return str(value).encode("latin-1")
    except UnicodeEncodeError:
        return str(value).encode("utf-8", "surrogatepass")
