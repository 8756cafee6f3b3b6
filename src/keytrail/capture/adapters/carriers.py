"""Which adapter reads a carrier: told by what the carrier holds, never by a framework's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from keytrail.capture.adapters import asgi, wsgi

if TYPE_CHECKING:
    from keytrail.capture.reader import RequestReader
    from keytrail.capture.view import RequestView


class CarrierAdapter(Protocol):
    """How one kind of carrier is read."""

    def may_carry_key(self, carrier: Any, reader: RequestReader) -> bool:
        """Tell whether a key may be in the carrier; never wrong when it says no."""

    def view(self, carrier: Any, reader: RequestReader) -> RequestView:
        """Read the carrier."""


def adapter_of(carrier: Any) -> CarrierAdapter | None:
    """Return what reads ``carrier``; ``None`` for messages and unknown kinds."""
    if not isinstance(carrier, dict):
        return None
    if asgi.is_scope(carrier):
        return asgi
    if wsgi.is_environ(carrier):
        return wsgi
    return None
