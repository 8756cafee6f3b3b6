"""A :class:`Filter` as a condition in DuckDB's SQL."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from keytrail.sources.source import Filter, Network
    from keytrail.store.store import Store

_FINGERPRINT_START: Final = re.compile(r"[0-9a-f]{8,64}")
_EQUAL: Final = ("service", "host", "direction", "outcome", "owner", "provider")


_COLUMNS: Final = {
    "since": ("time",),
    "until": ("time",),
    "key": ("key", "key_id"),
    "finding": ("findings",),
    "trace": ("trace_id",),
    "route": ("route", "path"),
}


def columns(wanted: Filter) -> set[str]:
    """Return the columns that the condition reads."""
    asked = (field.name for field in fields(wanted) if getattr(wanted, field.name) is not None)
    return {column for name in asked for column in _COLUMNS.get(name, (name,))}


def condition(store: Store, wanted: Filter) -> tuple[str, list[object]]:
    """Return the condition and the values of its question marks."""
    terms: list[tuple[str, list[object]]] = [("true", [])]
    if wanted.since is not None:
        terms.append(("time >= ?", [wanted.since]))
    if wanted.until is not None:
        terms.append(("time <= ?", [wanted.until]))
    if wanted.key is not None:
        terms.append(_of_key(wanted.key))
    if wanted.client is not None:
        terms.append(("client IN (SELECT unnest(?))", [_addresses(store, wanted.client)]))
    if wanted.status is not None:
        terms.append(("status BETWEEN ? AND ?", list(wanted.status)))
    if wanted.finding is not None:
        terms.append(("list_contains(findings, ?)", [wanted.finding]))
    if wanted.trace is not None:
        terms.append(("trace_id = ?", [wanted.trace]))
    if wanted.route is not None:
        terms.append(("coalesce(route, path) = ?", [wanted.route]))
    terms += [
        (f"{column} = ?", [value])
        for column in _EQUAL
        if (value := getattr(wanted, column)) is not None
    ]
    return " AND ".join(text for text, _ in terms), [value for _, of in terms for value in of]


def _of_key(key: str) -> tuple[str, list[object]]:
    if _FINGERPRINT_START.fullmatch(key):
        return "(starts_with(key, ?) OR key_id = ?)", [key, key]
    return "key_id = ?", [key]


def _addresses(store: Store, network: Network) -> list[str]:
    """Every recorded client within ``network``: its text forms are too many for SQL."""
    clients = store.all("SELECT DISTINCT client FROM uses WHERE client IS NOT NULL")
    return [client for (client,) in clients if _is_within(client, network)]


def _is_within(client: str, network: Network) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return address.version == network.version and address in network
