"""gRPC's servers: their instrumentation hands over the metadata with one value for each key.

So an interceptor in front of all others reads the call before. It runs in the very context in which
the call is answered, in a thread as in a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import grpc._server
import grpc.aio
import grpc.aio._server

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERCEPTORS = 2
"""Where both servers take their interceptors."""


def taps(wire: Wire) -> list[Tap]:
    """Put an interceptor in front of every server's own."""

    class Arrivals(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
            wire.arrived(lambda: _scope(call))
            return continuation(call)

    class AsyncArrivals(grpc.aio.ServerInterceptor):  # type: ignore[misc]
        async def intercept_service(self, continuation: Callable[[Any], Any], call: Any) -> Any:
            wire.arrived(lambda: _scope(call))
            return await continuation(call)

    def tapping(first: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
        def tap(initialise: Callable[..., None]) -> Callable[..., None]:
            def __init__(server: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
                initialise(server, *_with_first(first, args), **kwargs)

            return __init__

        return tap

    return [
        put(grpc._server._Server, "__init__", tapping(Arrivals())),
        put(grpc.aio._server.Server, "__init__", tapping(AsyncArrivals())),
    ]


def _with_first(first: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    before, own, after = args[:_INTERCEPTORS], args[_INTERCEPTORS], args[_INTERCEPTORS + 1 :]
    return (*before, (first, *(own or ())), *after)


def _scope(call: grpc.HandlerCallDetails) -> dict[str, Any]:
    return {
        "type": "rpc",
        "method": "POST",
        "path": call.method,
        "query_string": b"",
        "headers": [
            (key.encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
            for key, value in call.invocation_metadata or ()
        ],
    }
