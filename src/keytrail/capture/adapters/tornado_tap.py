"""Tornado: its instrumentation hands over the headers alone, so the request is read before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPServerRequest

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable


def install(wire: Wire) -> list[Tap]:
    """Tap every request as the server makes it of what it has received."""

    def tapping(initialise: Callable[..., None]) -> Callable[..., None]:
        def __init__(request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            initialise(request, *args, **kwargs)
            wire.arrived(lambda: _scope(request), request.headers)

        return __init__

    return [put(HTTPServerRequest, "__init__", tapping)]


def _scope(request: HTTPServerRequest) -> dict[str, Any]:
    return {
        "type": "http",
        "method": request.method,
        "scheme": request.protocol,
        "path": request.path,
        "query_string": (request.query or "").encode("latin-1", "replace"),
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in request.headers.get_all()
        ],
        "client": (request.remote_ip or "", 0),
    }
