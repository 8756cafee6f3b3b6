"""Which adapter reads a carrier: told by what the carrier holds, never by a framework's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from keytrail.capture.adapters import aiohttp_server, asgi, wsgi

if TYPE_CHECKING:
    from keytrail.capture.reader import RequestReader
    from keytrail.capture.view import RequestView


class CarrierAdapter(Protocol):
    """How one kind of carrier is read."""

    def may_carry_key(self, carrier: Any, reader: RequestReader) -> bool:
        """Tell whether a key may be in the carrier; never wrong when it says no."""

    def view(self, carrier: Any, reader: RequestReader) -> RequestView:
        """Read the carrier."""


def readable(carrier: Any) -> tuple[CarrierAdapter, Any] | None:
    """Return an adapter and what it reads of ``carrier``; ``None`` for messages and the like."""
    if not isinstance(carrier, dict):
        if aiohttp_server.is_request(carrier):
            return asgi, aiohttp_server.scope(carrier)
        return None
    if "type" in carrier and asgi.is_scope(carrier):
        return asgi, carrier
    if wsgi.is_environ(carrier):
        return wsgi, carrier
    return None
