"""Found keys become facts: fingerprint, public id, provider, owner. Here the raw key ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from keytrail.capture import findings
from keytrail.capture.facts import FoundKey, KeyFacts
from keytrail.capture.providers import Home

if TYPE_CHECKING:
    from keytrail.capture.entry import Entry
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
    until: float
    """Unix seconds at which the inventory will tell something else of one of the keys."""
    secrets: Secrets
    user_tokens: int
    """JWTs that are no keys."""
    redacted_path: str | None
    """The path without its key, if a key was in it."""


NOTHING = Identified((), (), frozenset(), float("inf"), (), 0, None)


class _Told(NamedTuple):
    facts: KeyFacts
    home: Home
    findings: frozenset[str]
    until: float


class Identifier:
    """Identifies keys under fixed peppers and a fixed catalogue."""

    def __init__(self, peppers: Peppers, catalogue: Catalogue, inventory: Inventory) -> None:
        self._peppers = peppers
        self._catalogue = catalogue
        self._inventory = inventory

    def identify(self, found: Found, host: str, named: str | None = None) -> Identified:
        """Identify all that was found; ``host`` is the called one, empty for incoming requests.

        ``named`` is the id under which a trusted gateway has checked the first key.
        """
        distinct: dict[RawKey, _Told] = {}
        suspicious: set[str] = set()
        secrets: list[tuple[RawKey, str | None]] = []
        until = float("inf")
        for key in found.keys:
            suspicious |= findings.of_key(key)
            told = distinct.get(key.raw)
            if told is None:
                told = self._identify_key(key, host, None if distinct else named)
                distinct[key.raw] = told
                suspicious |= told.findings
                until = min(until, told.until)
            secrets += [(secret, told.facts.hash) for secret in key.secrets]
        if len(found.keys) > 1 and findings.is_duplicate(found):
            suspicious.add(findings.DUPLICATE)
        secrets += [(secret, None) for secret in found.secrets]
        return Identified(
            tuple([one.facts for one in distinct.values()]),
            tuple([one.home for one in distinct.values()]),
            frozenset(suspicious),
            until,
            tuple(secrets),
            found.user_tokens,
            found.redacted_path,
        )

    def _entry(self, raw: bytes, fingerprint: str, key_id: str | None) -> Entry | None:
        """Return what the inventory says of a key, under whichever pepper it was written."""
        entry = self._inventory.find(fingerprint, key_id)
        if entry is not None or not self._inventory.entries:
            return entry
        earlier = (self._inventory.find(one) for one in self._peppers.all(raw)[1:])
        return next((one for one in earlier if one is not None), None)

    def _identify_key(self, key: FoundKey, host: str, named: str | None) -> _Told:
        raw = key.raw.reveal()
        fingerprint = self._peppers.fingerprint(raw)
        provider, key_id, home = self._catalogue.identify(key, host)
        key_id = named or key_id
        name = owner = environment = None
        suspicious: frozenset[str] = frozenset()
        until = float("inf")
        entry = self._entry(raw, fingerprint, key_id)
        if entry is not None:
            now = time.time()
            name, owner, environment = entry.name, entry.owner, entry.environment
            provider = entry.provider or provider or (None if host else "self")
            key_id = key_id or entry.id
            home = Home(entry.hosts) if entry.hosts else home
            suspicious, until = findings.of_entry(entry, now), entry.turns_at(now)
        facts = KeyFacts(
            hash=fingerprint,
            pepper_id=self._peppers.id,
            type=key.type,
            location=key.location,
            field=key.field,
            scheme=key.scheme,
            previous_hash=self._peppers.previous(raw),
            id=key_id,
            name=name,
            owner=owner,
            environment=environment,
            provider=provider,
        )
        return _Told(facts, home, suspicious, until)
