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

    def tapping_call(answer: Callable[..., Any]) -> Callable[..., Any]:
        def __call__(app: flask.Flask, environ: Any, start_response: Any) -> Any:  # noqa: N807
            if isinstance(environ, dict):
                wire.arrived(lambda: environ, environ)
            return answer(app, environ, start_response)

        return __call__

    return [put(flask.Flask, "__call__", tapping_call)]
