"""Requests that arrive while a span is current: stock instrumentations do not ask the propagator.

They take such a request for a part of another one and make an INTERNAL span of it. It is one of its
own where a server was started inside a span, and where a server lets the context of one request
leak into the next of its connection, as uvicorn does with pipelined ones and after an upload.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable

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


def install(wire: Wire) -> list[Tap]:
    """Tap the start of a request's span in those instrumentations that are imported by now."""

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

    imported = [sys.modules[name] for name in MODULES if name in sys.modules]
    return [
        put(module, START, tapping)
        for module in imported
        if not hasattr(getattr(module, START), "__wrapped__")
    ]
