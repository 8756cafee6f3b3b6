"""gRPC: its clients and its servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.capture.adapters import grpc_client, grpc_server

if TYPE_CHECKING:
    from keytrail.capture.adapters.taps import Tap, Wire


def install(wire: Wire) -> list[Tap]:
    """Tap both."""
    return [*grpc_client.taps(wire), *grpc_server.taps(wire)]
