"""Who plays: the customers of two services, their keys, addresses and habits.

Every key is drawn at random when the demo starts; no key outlives it.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass
from typing import Final, Literal

from keytrail.settings import Secret

Carrying = Literal["x-api-key", "bearer", "query", "nowhere"]

NEW_ADDRESS: Final = "203.0.113.77"
"""Where the leaked key turns up. All addresses are from the ranges kept for documentation."""

_LETTERS = string.ascii_letters + string.digits


def draw_key(prefix: str, length: int) -> Secret:
    """Return a new random key that begins with ``prefix``."""
    return Secret(prefix + "".join(secrets.choice(_LETTERS) for _ in range(length)))


def digest(key: Secret) -> str:
    """Return the SHA-256 by which the example services know a key."""
    return hashlib.sha256(key.reveal().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """One holder of a key and how they call."""

    name: str
    owner: str
    key: Secret
    addresses: tuple[str, ...]
    user_agent: str
    carrying: Carrying = "x-api-key"
    service: Literal["orders", "warehouse"] = "orders"
    weight: int = 10
    """Share of the requests, against the other callers'."""
    may_export: bool = False
    known: bool = True
    """Whether the service and the inventory know the key."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everyone in the play, and the keys with which the services pay for what they use."""

    callers: tuple[Caller, ...]
    leaked: Caller
    warehouse_key: Secret
    payments_key: Secret
    shipping_key: Secret

    def keys(self) -> tuple[Secret, ...]:
        """Return every raw key, for the search that must find none of them."""
        held = [caller.key for caller in self.callers if caller.carrying != "nowhere"]
        return (*held, self.warehouse_key, self.payments_key, self.shipping_key)


def assemble() -> Cast:
    """Return the cast with new keys."""
    leaked = _customer("corvo-coffee", "Corvo Coffee", 14, 18, may_export=True)
    return Cast(
        callers=(leaked, *_customers(), *_kiosks(), *_strangers()),
        leaked=leaked,
        warehouse_key=draw_key("wh_live_", 24),
        payments_key=draw_key("sk_test_", 24),
        shipping_key=draw_key("shippo_test_", 40),
    )


def _customer(
    name: str,
    owner: str,
    weight: int,
    host: int,
    carrying: Carrying = "x-api-key",
    *,
    may_export: bool = False,
) -> Caller:
    return Caller(
        name=name,
        owner=owner,
        key=draw_key("shop_live_", 24),
        addresses=(f"198.51.100.{host}", f"198.51.100.{host + 1}"),
        user_agent=f"{name}-erp/2.3",
        carrying=carrying,
        weight=weight,
        may_export=may_export,
    )


def _customers() -> list[Caller]:
    return [
        _customer("halden-bikes", "Halden Bikes", 22, 30),
        _customer("juniper-toys", "Juniper Toys", 18, 34, "bearer"),
        _customer("ostra-foods", "Ostra Foods", 16, 38, may_export=True),
        _customer("port-ness-books", "Port Ness Books", 12, 42),
        _customer("tessel-prints", "Tessel Prints", 10, 46, "bearer"),
        _customer("bluefin-travel", "Bluefin Travel", 8, 50),
        _customer("marlow-and-sons", "Marlow & Sons", 6, 54),
        _customer("lumen-labs", "Lumen Labs", 5, 58, "bearer"),
        _customer("kestrel-maps", "Kestrel Maps", 3, 62),
    ]


def _kiosks() -> list[Caller]:
    return [
        Caller(
            name=f"kiosk-{place}",
            owner="Shop floor",
            key=draw_key("kiosk_", 20),
            addresses=(f"192.0.2.{host}",),
            user_agent="kiosk/0.9",
            carrying="query",
            service="warehouse",
            weight=8,
        )
        for place, host in (("hall", 21), ("gate", 22))
    ]


def _strangers() -> list[Caller]:
    """Return those who are not let in: a withdrawn key, a guessed one, and none at all."""
    return [
        _stranger("withdrawn", "198.51.100.90", "nightly-sync/1.0", "x-api-key"),
        _stranger("guessed", "192.0.2.200", "python-requests/2.31", "bearer"),
        _stranger("none", "192.0.2.201", "Mozilla/5.0", "nowhere"),
    ]


def _stranger(name: str, address: str, user_agent: str, carrying: Carrying) -> Caller:
    return Caller(
        name=name,
        owner="",
        key=draw_key("shop_live_", 24),
        addresses=(address,),
        user_agent=user_agent,
        carrying=carrying,
        weight=3,
        known=False,
    )
