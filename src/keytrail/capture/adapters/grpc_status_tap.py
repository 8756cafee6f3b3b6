"""gRPC's servers: how a call ended where their instrumentation does not tell.

It tells ``abort`` and ``set_code``. What else ends a call is asked of the call itself: another way
to abort, an exception, a client that went away, a deadline.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.instrumentation.grpc._aio_server import _OpenTelemetryAioServicerContext
from opentelemetry.instrumentation.grpc._server import _OpenTelemetryServicerContext

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable

_ABORT = "abort_with_status"
_NEARLY_OVER = 0.1
"""Seconds. The client's clock began before the server's, and gRPC rounds up what it tells of the
time: a call that is broken off so shortly before its deadline was given up for it."""


def install(wire: Wire) -> list[Tap]:
    """Tap what the instrumentation hands to handlers instead of the call's own context."""

    def tapping(status_of: Callable[[Any], int | None]) -> Callable[..., Any]:
        def tap(initialise: Callable[..., None]) -> Callable[..., None]:
            def __init__(given: Any, context: Any, *args: Any) -> None:  # noqa: N807
                initialise(given, context, *args)
                wire.answering(partial(status_of, context))

            return __init__

        return tap

    return [
        put(_OpenTelemetryServicerContext, "__init__", tapping(_status)),
        put(_OpenTelemetryAioServicerContext, "__init__", tapping(_async_status)),
        _put_abort(),
    ]


def _put_abort() -> Tap:
    """Make grpc.aio remember the status of ``abort_with_status``, which it sends at once."""

    async def passing(context: Any, status: grpc.Status) -> None:
        await context.__wrapped__.abort_with_status(status)

    async def abort_with_status(context: Any, status: grpc.Status) -> None:
        context.__wrapped__.set_code(status.code)
        await original(context, status)

    own = _OpenTelemetryAioServicerContext.__dict__.get(_ABORT)
    original = own or passing
    abort_with_status.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(_OpenTelemetryAioServicerContext, _ABORT, abort_with_status)
    return Tap(_OpenTelemetryAioServicerContext, _ABORT, original, inherited=own is None)


def _status(context: Any) -> int | None:
    """Return the number of the status that a call ends with, where it is not a success."""
    return _told(context) or (None if context.is_active() else _broken_off(context)) or _raised()


def _async_status(context: Any) -> int | None:
    gone = isinstance(sys.exc_info()[1], (CancelledError, GeneratorExit))
    return _told(context) or (_broken_off(context) if gone else None) or _raised()


def _told(context: Any) -> int | None:
    code: Any = context.code()
    number: int | None = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return number


def _broken_off(context: Any) -> int:
    left = context.time_remaining()
    over = left is not None and left < _NEARLY_OVER
    code = grpc.StatusCode.DEADLINE_EXCEEDED if over else grpc.StatusCode.CANCELLED
    number: int = code.value[0]
    return number


def _raised() -> int | None:
    """Return what gRPC makes of an exception that is on its way through the handler."""
    return grpc.StatusCode.UNKNOWN.value[0] if sys.exc_info()[1] is not None else None
