"""aiohttp's server: its instrumentation hands over the request, which is read as a scope."""

from __future__ import annotations

from typing import Any


def is_request(carrier: Any) -> bool:
    """Tell whether ``carrier`` is a request of aiohttp's server."""
    return hasattr(carrier, "raw_headers") and hasattr(carrier, "rel_url")


def scope(request: Any) -> dict[str, Any]:
    """Return what ASGI would call the application with."""
    url = request.rel_url
    return {
        "type": "http",
        "method": request.method,
        "scheme": request.scheme,
        "path": url.path,
        "query_string": url.raw_query_string.encode("utf-8", "surrogateescape"),
        "headers": request.raw_headers,
        "client": (request.remote or "", 0),
    }
