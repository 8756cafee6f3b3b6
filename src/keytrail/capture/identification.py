"""Found keys become facts: fingerprint, public id, provider, owner. Here the raw key ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keytrail.capture import findings
from keytrail.capture.facts import FoundKey, KeyFacts
from keytrail.capture.providers import Home

if TYPE_CHECKING:
    from keytrail.capture.extraction import Found
    from keytrail.capture.fingerprint import Peppers
    from keytrail.capture.inventory import Inventory
    from keytrail.capture.key import RawKey
    from keytrail.capture.providers import Catalogue

Secrets = tuple[tuple["RawKey", "str | None"], ...]
"""What is to be redacted by value, with its fingerprint where it belongs to a known key."""


class Identified(NamedTuple):
    """What the keys of one request told; but for ``secrets`` without a raw key."""

    keys: tuple[KeyFacts, ...]
    """The distinct keys; where one stood twice, the first place counts."""
    homes: tuple[Home, ...]
    """For each key the hosts where it belongs."""
    findings: frozenset[str]
    secrets: Secrets
    user_tokens: int
    """JWTs that are no keys."""
    redacted_path: str | None
    """The path without its key, if a key was in it."""


NOTHING = Identified((), (), frozenset(), (), 0, None)


class Identifier:
    """Identifies keys under fixed peppers and a fixed catalogue."""

    def __init__(self, peppers: Peppers, catalogue: Catalogue, inventory: Inventory) -> None:
        self._peppers = peppers
        self._catalogue = catalogue
        self._inventory = inventory

    def identify(self, found: Found, host: str) -> Identified:
        """Identify all that was found; ``host`` is the called one, empty for incoming requests."""
        distinct: dict[RawKey, tuple[KeyFacts, Home]] = {}
        told: set[str] = set()
        for key in found.keys:
            told |= findings.of_key(key)
            if key.raw not in distinct:
                distinct[key.raw] = self._identify_key(key, host)
        secrets: list[tuple[RawKey, str | None]] = [
            (secret, distinct[key.raw][0].hash) for key in found.keys for secret in key.secrets
        ]
        secrets += [(secret, None) for secret in found.secrets]
        return Identified(
            tuple(facts for facts, _ in distinct.values()),
            tuple(home for _, home in distinct.values()),
            frozenset(told),
            tuple(secrets),
            found.user_tokens,
            found.redacted_path,
        )

    def _identify_key(self, key: FoundKey, host: str) -> tuple[KeyFacts, Home]:
        raw = key.raw.reveal()
        fingerprint = self._peppers.fingerprint(raw)
        previous = self._peppers.previous(raw)
        provider, key_id, home = self._catalogue.identify(key, host)
        name = owner = environment = None
        entry = self._inventory.find(fingerprint, key_id)
        if entry is None and previous is not None:
            entry = self._inventory.find(previous)
        if entry is not None:
            name, owner, environment = entry.name, entry.owner, entry.environment
            provider = entry.provider or provider or (None if host else "self")
            key_id = key_id or entry.id
            home = Home(entry.hosts) if entry.hosts else home
        facts = KeyFacts(
            hash=fingerprint,
            pepper_id=self._peppers.id,
            type=key.type,
            location=key.location,
            field=key.field,
            scheme=key.scheme,
            previous_hash=previous,
            id=key_id,
            name=name,
            owner=owner,
            environment=environment,
            provider=provider,
        )
        return facts, home
