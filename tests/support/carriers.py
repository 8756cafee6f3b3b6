"""What a stock server instrumentation hands to the propagator."""

from __future__ import annotations

from typing import Any

from support.cases import K1


def wsgi_carrier(key: str | None = K1) -> dict[str, Any]:
    """Return the environ of a request, with ``key`` where there is one."""
    carrier: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "shop.example",
    }
    return carrier if key is None else {**carrier, "HTTP_X_API_KEY": key}
