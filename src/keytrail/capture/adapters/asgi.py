"""ASGI: every application that is called with a scope, whatever framework it is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keytrail.capture.adapters.authority import split_authority
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.capture.reader import RequestReader


def is_scope(carrier: Mapping[str, Any]) -> bool:
    """Tell whether ``carrier`` is the scope of an HTTP request or a WebSocket handshake.

    The adapters of other carriers make scopes, too, of type ``rpc`` for a call of gRPC.
    """
    return carrier.get("type") in ("http", "websocket", "rpc") and "headers" in carrier


def may_carry_key(scope: Mapping[str, Any], reader: RequestReader) -> bool:
    """Tell whether a key may be in the scope; most requests without one need no closer look."""
    keyed = reader.keyed_bytes
    for name, _ in scope["headers"]:
        if name.lower() in keyed:
            return True
    return reader.may_be_in(scope.get("query_string") or b"")


def view(scope: Mapping[str, Any], reader: RequestReader) -> RequestView:
    """Read a scope."""
    wanted = reader.wanted_bytes
    headers = []
    authority = b""
    for name, value in scope["headers"]:
        lower = name.lower()
        if lower in wanted:
            headers.append((lower.decode("latin-1"), value))
        elif lower == b"host":
            authority = value
    host, port = split_authority(authority.decode("latin-1")) if authority else _server(scope)
    client = scope.get("client")
    return RequestView(
        method=scope.get("method") or "GET",
        scheme=scope.get("scheme") or "http",
        host=host,
        port=port,
        path=scope.get("path") or "",
        query=scope.get("query_string") or b"",
        headers=headers,
        peer=client[0] if client else "",
        metadata=scope["type"] == "rpc",
    )


def _server(scope: Mapping[str, Any]) -> tuple[str, int | None]:
    host, port = scope.get("server") or ("", None)
    return (host or "").lower(), port
