"""Flask: its instrumentation looks at a request only behind the application's own middleware.

A middleware around ``wsgi_app`` that takes the key out of the environ would hide it; so the environ
is read when the server hands it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable


def install(wire: Wire) -> list[Tap]:
    """Tap the call of the application."""

    def call(answer: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        environ = args[0] if args else kwargs.get("environ")
        if isinstance(environ, dict):
            wire.arrived(environ)
        return answer(*args, **kwargs)

    return [put(flask.Flask, "__call__", call)]
