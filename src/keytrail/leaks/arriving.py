"""How a key arrives: the requests that hold one, each in another place.

``CARRIERS`` has one entry for each place of a request that can hold a key.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Request:
    """One GET request to a service; ``path`` with its query."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)


def _with_header(name: str, value: str = "{}") -> Callable[[str, str], Request]:
    return lambda path, key: Request(path, {name: value.format(key)})


def _with_basic(path: str, key: str) -> Request:
    return Request(
        path, {"Authorization": "Basic " + base64.b64encode(f"shop:{key}".encode()).decode()}
    )


def _with_query(path: str, key: str) -> Request:
    return Request(f"{path}?color=blue&api_key={quote(key, safe='')}&page=2")


def with_path(path: str, key: str) -> Request:
    """Return a request with the key in a header, and in the path too."""
    return Request(f"{path}/{quote(key, safe='')}", {"X-API-Key": key})


def _with_path_alone(path: str, key: str) -> Request:
    return Request(f"{path}/{key}")


def _with_userinfo(path: str, key: str) -> Request:
    return Request(path, {"Referer": f"https://shop:{key}@shop.example.com/cart"})


def _with_referer(path: str, key: str) -> Request:
    return Request(path, {"Referer": f"https://shop.example.com/cart?access_token={key}#top"})


CARRIERS: Final[dict[str, Callable[[str, str], Request]]] = {
    "header": _with_header("X-API-Key"),
    "awkward header": _with_header("X-API-Key"),
    "bearer": _with_header("Authorization", "Bearer {}"),
    "cookie": _with_header("Cookie", "color=blue; canary={}"),
    "basic": _with_basic,
    "query": _with_query,
    "path": with_path,
}
"""Where an incoming request carries the key → that request."""
ONLY_IN_CARRIER: Final = {
    "referer": _with_referer,
    "userinfo": _with_userinfo,
    "shaped path": _with_path_alone,
}
"""Likewise, where it is redacted but is not taken for a key: the application does not hold it."""
