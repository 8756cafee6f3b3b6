"""httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore
import httpx

from keytrail.capture.adapters.httpx_clients import tap_clients

if TYPE_CHECKING:
    from keytrail.capture.adapters.taps import Tap, Wire


def install(wire: Wire) -> list[Tap]:
    """Tap its clients and the pools of httpcore."""
    return tap_clients(httpx, httpcore, wire)
