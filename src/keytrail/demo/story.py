"""Reads the theft out of the journal: what anybody could ask who knows one leaked key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Use = Mapping[str, Any]
"""One use by column name."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a key was used from."""

    client: str
    uses: int
    first_use: int
    """Unix nanoseconds."""
    user_agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StolenCall:
    """One call from the new address, and the calls that the services made because of it."""

    use: Use
    downstream: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Theft:
    """One key, where it used to come from, and all that it did at the address that came last."""

    key: str
    name: str
    owner: str
    usual: tuple[Address, ...]
    new: Address
    calls: tuple[StolenCall, ...]


def theft(key: str, uses: Iterable[Use]) -> Theft:
    """Return the story of the key with the fingerprint ``key``, from everybody's uses."""
    in_order = sorted(uses, key=lambda use: use["time"])
    incoming = [use for use in in_order if use["key"] == key and use["direction"] == "incoming"]
    downstream = defaultdict(list)
    for use in in_order:
        if use["direction"] == "outgoing":
            downstream[use["trace_id"]].append(use)
    *usual, new = _addresses(incoming)
    return Theft(
        key=key,
        name=incoming[0]["key_name"],
        owner=incoming[0]["owner"],
        usual=tuple(usual),
        new=new,
        calls=tuple(
            StolenCall(use, tuple(downstream[use["trace_id"]]))
            for use in incoming
            if use["client"] == new.client
        ),
    )


def _addresses(uses: Iterable[Use]) -> list[Address]:
    """Return the addresses of ``uses``, which are in order of time, by their first use."""
    by_client = defaultdict(list)
    for use in uses:
        by_client[use["client"]].append(use)
    return [
        Address(
            client=client,
            uses=len(those),
            first_use=those[0]["time"],
            user_agents=tuple(sorted({use["user_agent"] for use in those})),
        )
        for client, those in by_client.items()
    ]
