"""Which adapter reads a carrier: told by what the carrier holds, never by a framework's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keytrail.capture.adapters import asgi, wsgi

if TYPE_CHECKING:
    from keytrail.capture.reader import RequestReader
    from keytrail.capture.view import RequestView


def view_of(carrier: Any, reader: RequestReader) -> RequestView | None:
    """Return the request that ``carrier`` belongs to; ``None`` for messages and unknown kinds."""
    if not isinstance(carrier, dict):
        return None
    if asgi.is_scope(carrier):
        return asgi.view(carrier, reader.wanted_bytes)
    if wsgi.is_environ(carrier):
        return wsgi.view(carrier, reader.wanted_environ)
    return None
