"""Requests that arrive while a span is current: stock instrumentations do not ask the propagator.

They take such a request for a part of another one and make an INTERNAL span of it. It is one of its
own where a server was started inside a span, and where a server lets the context of one request
leak into the next of its connection, as uvicorn does with pipelined ones and after an upload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

START: Final = "_start_internal_or_server_span"
MODULES: Final = tuple(
    f"opentelemetry.instrumentation.{name}"
    for name in (
        "asgi",
        "django.middleware.otel_middleware",
        "falcon",
        "flask",
        "pyramid.callbacks",
        "tornado",
        "wsgi",
    )
)
"""Where the shared function that starts the span of a request was imported by its name."""


def install(wire: Wire, module: ModuleType) -> list[Tap]:
    """Tap the start of a request's span in one of :data:`MODULES`.

    Others of them may be in the middle of their import, which imported this one.
    """

    def tapping(start: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
        def started(
            tracer: Any,
            span_name: str,
            start_time: int | None,
            context_carrier: Any,
            *more: Any,
            **named: Any,
        ) -> tuple[Any, Any]:
            joined = wire.joining(context_carrier)
            span, token = start(tracer, span_name, start_time, context_carrier, *more, **named)
            if joined is None:
                return span, token
            wire.joined(span)
            return span, joined

        return started

    return [put(module, START, tapping)]
