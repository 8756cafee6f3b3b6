"""The one entry to this folder's pure half: a request in, facts and what to redact out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from keytrail import faults
from keytrail.capture import findings
from keytrail.capture.catalogue import CatalogueError
from keytrail.capture.client_address import ClientAddress
from keytrail.capture.extraction import Extraction, Found
from keytrail.capture.facts import FoundKey, KeyFacts, RequestFacts
from keytrail.capture.inventory import Inventory
from keytrail.capture.providers import Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.capture.findings import Endpoint
    from keytrail.capture.fingerprint import Peppers
    from keytrail.capture.key import RawKey
    from keytrail.capture.view import RequestView
    from keytrail.settings import Settings

MAX_USER_AGENT = 512
MAX_KNOWN = 256
"""Keys, each in its place, that are not identified anew whenever they come."""
MAX_KNOWN_BYTES = 512
"""A longer key is identified anew."""

logger = logging.getLogger("keytrail")


class Read(NamedTuple):
    """What one request told."""

    facts: RequestFacts
    secrets: tuple[tuple[RawKey, str | None], ...]
    """Everything to redact by value, with its fingerprint where it belongs to a known key."""
    user_tokens: int
    """JWTs that are no keys: redacted and counted, not facts."""


class _Identity(NamedTuple):
    facts: KeyFacts
    hosts: tuple[str, ...]
    """The only hosts that the key may go to, as far as that is known."""
    findings: frozenset[str]


class RequestReader:
    """Reads requests under fixed settings and peppers."""

    wanted: frozenset[str]
    """Lower-case names of the headers that adapters must hand over."""
    wanted_bytes: frozenset[bytes]
    """The same for ASGI."""
    wanted_environ: tuple[tuple[str, str], ...]
    """The same for WSGI: (``HTTP_X_API_KEY``, ``x-api-key``)."""
    keyed_bytes: frozenset[bytes]
    """For ASGI, those of them that can carry a key."""
    keyed_environ: frozenset[str]
    """For WSGI, those of them that can carry a key."""

    def __init__(self, settings: Settings, peppers: Peppers) -> None:
        self._peppers = peppers
        self._catalogue = _load_catalogue(settings)
        self._inventory = Inventory(settings.inventory)
        self._entries = self._inventory.entries
        self._known: dict[tuple[object, ...], _Identity] = {}
        self._extraction = Extraction(settings, self._catalogue)
        self._client_address = ClientAddress(settings.trusted_proxies, settings.client_address)
        self.wanted = self._extraction.wanted | self._client_address.wanted | {"user-agent"}
        self.wanted_bytes = _bytes_of(self.wanted)
        self.wanted_environ = tuple(sorted(_environ_names(self.wanted).items()))
        self.keyed_bytes = _bytes_of(self._extraction.wanted)
        self.keyed_environ = frozenset(_environ_names(self._extraction.wanted))

    def may_be_in(self, query: bytes) -> bool:
        """Tell whether ``query`` can carry a key, for a carrier whose headers carry none."""
        return bool(query) and self._extraction.may_be_in(query)

    def incoming(self, view: RequestView) -> Read:
        """Return what a request that reached us tells."""
        found = self._extraction.find(view)
        identities = self._identify(found, "") if found.keys else {}
        told = findings.in_order(_findings(identities))
        agent = view.header("user-agent")
        facts = RequestFacts(
            "incoming",
            tuple([identity.facts for identity in identities.values()]),
            view.method,
            view.scheme,
            view.host,
            view.port,
            view.path,
            self._client_address.find(view),
            agent[:MAX_USER_AGENT].decode("utf-8", "replace") if agent else None,
            told,
        )
        secrets = _secrets(found, identities) if found.keys or found.secrets else ()
        return Read(facts, secrets, found.user_tokens)

    def outgoing(
        self, view: RequestView, first_host: Endpoint | None = None, redirected: bool = False
    ) -> Read:
        """Return what a request that we send tells.

        ``first_host``: where the chain of redirects began, whose hop this is; ``redirected``: this
        is not its first hop.
        """
        found = self._extraction.find(view, view.host)
        identities = self._identify(found, view.host) if found.keys else {}
        told: tuple[str, ...] = ()
        expected = None
        if identities:
            told, expected = _outgoing_findings(view, identities, first_host, redirected)
        path = view.path if found.redacted_path is None else found.redacted_path
        facts = RequestFacts(
            "outgoing",
            tuple([identity.facts for identity in identities.values()]),
            view.method,
            view.scheme,
            view.host,
            view.port,
            path,
            findings=told,
            host_expected=expected,
        )
        secrets = _secrets(found, identities) if found.keys or found.secrets else ()
        return Read(facts, secrets, found.user_tokens)

    def _identify(self, found: Found, host: str) -> dict[RawKey, _Identity]:
        """Return the distinct keys; where one stood twice, the first place counts."""
        entries = self._inventory.current()
        if entries is not self._entries:
            self._entries, self._known = entries, {}
        if len(found.keys) == 1:
            return {found.keys[0].raw: self._identity(found.keys[0], host)}
        identities: dict[RawKey, _Identity] = {}
        for key in found.keys:
            identity = self._identity(key, host)
            first = identities.setdefault(key.raw, identity)
            identities[key.raw] = first._replace(findings=first.findings | identity.findings)
        return identities

    def _identity(self, key: FoundKey, host: str) -> _Identity:
        """Identify a key, or remember what was found when it last stood in the same place."""
        if key.companion is not None or len(key.raw) > MAX_KNOWN_BYTES:
            return self._identify_key(key, host)
        place = (key.raw, key.type, key.location, key.field, key.scheme, host)
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known = {}
            known = self._known[place] = self._identify_key(key, host)
        return known

    def _identify_key(self, key: FoundKey, host: str) -> _Identity:
        raw = key.raw.reveal()
        fingerprint = self._peppers.fingerprint(raw)
        previous = self._peppers.previous(raw)
        provider, key_id, hosts = self._catalogue.identify(key, host)
        name = owner = environment = None
        entry = self._inventory.find(fingerprint, key_id)
        if entry is None and previous is not None:
            entry = self._inventory.find(previous)
        if entry is not None:
            name, owner, environment = entry.name, entry.owner, entry.environment
            provider = entry.provider or provider or (None if host else "self")
            key_id = key_id or entry.id
            hosts = entry.hosts or hosts
        facts = KeyFacts(
            fingerprint,
            self._peppers.id,
            key.type,
            key.location,
            key.field,
            key.scheme,
            previous,
            key_id,
            name,
            owner,
            environment,
            provider,
        )
        return _Identity(facts, hosts, findings.of_key(key))


def _outgoing_findings(
    view: RequestView,
    identities: Mapping[RawKey, _Identity],
    first_host: Endpoint | None,
    redirected: bool,
) -> tuple[tuple[str, ...], str | None]:
    told = set(_findings(identities))
    if redirected:
        told.add(findings.REDIRECTED)
    if findings.is_cleartext(view):
        told.add(findings.CLEARTEXT_HTTP)
    for identity in identities.values():
        expected = findings.wrong_host(view, identity.hosts, first_host)
        if expected is not None:
            told.add(findings.WRONG_HOST)
            return findings.in_order(told), expected
    return findings.in_order(told), None


def _findings(identities: Mapping[RawKey, _Identity]) -> frozenset[str]:
    return frozenset().union(*[identity.findings for identity in identities.values()])


def _secrets(
    found: Found, identities: Mapping[RawKey, _Identity]
) -> tuple[tuple[RawKey, str | None], ...]:
    secrets: list[tuple[RawKey, str | None]] = [
        (secret, identities[key.raw].facts.hash) for key in found.keys for secret in key.secrets
    ]
    secrets += [(secret, None) for secret in found.secrets]
    return tuple(secrets)


def _load_catalogue(settings: Settings) -> Catalogue:
    try:
        return Catalogue.load(settings.catalogue)
    except CatalogueError as error:
        logger.warning("catalogue not read: %s", error)
        faults.report("capture.catalogue", error)
        return Catalogue.load()


def _bytes_of(names: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode("latin-1", "replace") for name in names)


def _environ_names(names: frozenset[str]) -> dict[str, str]:
    """Return the WSGI names; where two headers share one, the usual spelling with dashes wins."""
    return {"HTTP_" + name.upper().replace("-", "_"): name for name in sorted(names, reverse=True)}
