"""What is sent: the requests of an ordinary day, and those of whoever holds the leaked key."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.demo.cast import NEW_ADDRESS, Caller, Cast

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it will be sent; ``route`` is its path without what varies."""

    caller: Caller
    address: str
    user_agent: str
    method: str
    path: str
    route: str
    body: bytes | None = None

    def target(self) -> str:
        """Return path and query as they go onto the wire; holds the raw key of a kiosk."""
        if self.caller.carrying == "query":
            return f"{self.path}?api_key={self.caller.key.reveal()}"
        return self.path

    def headers(self) -> dict[str, str]:
        """Return the headers; they hold the raw key."""
        headers = {"X-Forwarded-For": self.address, "User-Agent": self.user_agent}
        if self.caller.carrying == "x-api-key":
            headers["X-API-Key"] = self.caller.key.reveal()
        elif self.caller.carrying == "bearer":
            headers["Authorization"] = f"Bearer {self.caller.key.reveal()}"
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        return headers


def ordinary(cast: Cast, count: int, dice: random.Random) -> list[Request]:
    """Return ``count`` requests of all callers in random order, by their weights."""
    weights = [caller.weight for caller in cast.callers]
    everyone = list(cast.callers)  # at least once each, however few requests there are
    chosen = everyone + dice.choices(cast.callers, weights, k=max(0, count - len(everyone)))
    dice.shuffle(chosen)
    return [_request_of(caller, dice) for caller in chosen[:count]]


def stolen(cast: Cast) -> list[Request]:
    """Return what the thief asks for: first a look around, then everything that can be exported."""
    looks = (
        ("/orders", "/orders"),
        ("/orders/1003", "/orders/{number}"),
        ("/orders/1", "/orders/{number}"),
    )
    exports = (
        (f"{route}?page={page}", route)
        for page in range(4)
        for route in ("/exports/orders", "/exports/cardholders")
    )
    return [
        *(_stolen(cast, "GET", path, route) for path, route in (*looks, *exports)),
        *(_stolen(cast, "POST", "/orders", "/orders", _order(12, pieces)) for pieces in (6, 5)),
    ]


def _stolen(cast: Cast, method: str, path: str, route: str, body: bytes | None = None) -> Request:
    return Request(cast.leaked, NEW_ADDRESS, "curl/8.7.1", method, path, route, body)


def _request_of(caller: Caller, dice: random.Random) -> Request:
    choices = _KIOSK if caller.service == "warehouse" else _CUSTOMER
    ((method, route),) = dice.choices(list(choices), list(choices.values()))
    path = route.replace("{number}", str(_order_number(dice))).replace("{sku}", _sku(dice))
    body = _order(dice.randrange(40), dice.randint(1, 6)) if method == "POST" else None
    address = dice.choice(caller.addresses)
    return Request(caller, address, caller.user_agent, method, path, route, body)


_CUSTOMER = {
    ("GET", "/orders"): 25,
    ("GET", "/orders/{number}"): 45,
    ("GET", "/orders/{number}/invoice"): 10,
    ("POST", "/orders"): 15,
    ("GET", "/exports/orders"): 5,
}
_KIOSK = {("GET", "/stock/{sku}"): 1}


def _order_number(dice: random.Random) -> int:
    """Return the number of an order; one in twenty does not exist."""
    return dice.randrange(1000, 1210)


def _sku(dice: random.Random) -> str:
    return f"SKU-{dice.randrange(42):03d}"


def _order(article: int, quantity: int) -> bytes:
    return json.dumps({"sku": f"SKU-{article:03d}", "quantity": quantity}).encode()


def interleave(day: list[Request], theft: list[Request]) -> Iterator[Request]:
    """Yield the day, with the stolen requests spread over its third quarter."""
    half = len(day) // 2
    gap = max(1, half // 2 // len(theft))
    yield from day[:half]
    rest = iter(day[half:])
    for request in theft:
        yield request
        yield from itertools.islice(rest, gap)
    yield from rest
