"""WebSocket handshakes under ASGI: their instrumentation tells the status of accepted ones only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable

_REFUSED: Final = 403
"""What servers answer where an application closes before it has accepted."""


def install(wire: Wire) -> list[Tap]:
    """Tap what applications answer to handshakes."""

    def tapping_call(call: Callable[..., Any]) -> Callable[..., Any]:
        async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> Any:  # noqa: N807
            if scope["type"] == "websocket":
                send = _watched(send, wire)
            return await call(self, scope, receive, send)

        return __call__

    return [put(OpenTelemetryMiddleware, "__call__", tapping_call)]


def _watched(send: Callable[..., Any], wire: Wire) -> Callable[..., Any]:
    """Return ``send``, looking at the first message that goes through it."""
    answered = False

    async def watched(message: Any) -> Any:
        nonlocal answered
        if not answered:
            answered = True
            status = _status(message)
            if status is not None:
                wire.answering(lambda: status)
        return await send(message)

    return watched


def _status(message: Any) -> int | None:
    """Return the status of a refusal."""
    kind = message.get("type")
    if kind == "websocket.close":
        return _REFUSED
    if kind == "websocket.http.response.start":
        status: int | None = message.get("status")
        return status
    return None
