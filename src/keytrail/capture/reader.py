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
    from collections.abc import Sequence

    from keytrail.capture.findings import Endpoint
    from keytrail.capture.fingerprint import Peppers
    from keytrail.capture.key import RawKey
    from keytrail.capture.view import RequestView
    from keytrail.settings import Settings

MAX_USER_AGENT = 512

logger = logging.getLogger("keytrail")


class Read(NamedTuple):
    """What one request told."""

    facts: RequestFacts
    secrets: tuple[tuple[RawKey, str | None], ...]
    """Everything to redact by value, with its fingerprint where it belongs to a known key."""
    user_tokens: int
    """JWTs that are no keys: redacted and counted, not facts."""


class _Identity(NamedTuple):
    found: FoundKey
    facts: KeyFacts
    hosts: tuple[str, ...]
    """The only hosts that the key may go to, as far as that is known."""


class RequestReader:
    """Reads requests under fixed settings and peppers; has no state but the inventory's."""

    wanted: frozenset[str]
    """Lower-case names of the headers that adapters must hand over."""
    wanted_bytes: frozenset[bytes]
    """The same for ASGI."""
    wanted_environ: tuple[tuple[str, str], ...]
    """The same for WSGI: (``HTTP_X_API_KEY``, ``x-api-key``)."""

    def __init__(self, settings: Settings, peppers: Peppers) -> None:
        self._peppers = peppers
        self._catalogue = _load_catalogue(settings)
        self._inventory = Inventory(settings.inventory)
        self._extraction = Extraction(settings, self._catalogue)
        self._client_address = ClientAddress(settings.trusted_proxies, settings.client_address)
        self.wanted = self._extraction.wanted | self._client_address.wanted | {"user-agent"}
        self.wanted_bytes = frozenset(name.encode("latin-1", "replace") for name in self.wanted)
        self.wanted_environ = tuple(sorted(_environ_names(self.wanted).items()))

    def incoming(self, view: RequestView) -> Read:
        """Return what a request that reached us tells."""
        found = self._extraction.find(view)
        identities = self._identify(found, "") if found.keys else []
        told = findings.in_order(findings.of_keys(found.keys)) if identities else ()
        agent = view.header("user-agent")
        facts = RequestFacts(
            "incoming",
            tuple([identity.facts for identity in identities]),
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
        identities = self._identify(found, view.host) if found.keys else []
        told: tuple[str, ...] = ()
        expected = None
        if identities:
            told, expected = _outgoing_findings(view, identities, found, first_host, redirected)
        path = view.path if found.redacted_path is None else found.redacted_path
        facts = RequestFacts(
            "outgoing",
            tuple([identity.facts for identity in identities]),
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

    def _identify(self, found: Found, host: str) -> list[_Identity]:
        """Return the distinct keys; where one stood twice, the first place counts."""
        if len(found.keys) == 1:
            return [self._identify_key(found.keys[0], host)]
        identities: dict[RawKey, _Identity] = {}
        for key in found.keys:
            if key.raw not in identities:
                identities[key.raw] = self._identify_key(key, host)
        return list(identities.values())

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
        return _Identity(key, facts, hosts)


def _outgoing_findings(
    view: RequestView,
    identities: Sequence[_Identity],
    found: Found,
    first_host: Endpoint | None,
    redirected: bool,
) -> tuple[tuple[str, ...], str | None]:
    told = findings.of_keys(found.keys)
    if redirected:
        told.add(findings.REDIRECTED)
    if findings.is_cleartext(view):
        told.add(findings.CLEARTEXT_HTTP)
    for identity in identities:
        expected = findings.wrong_host(view, identity.hosts, first_host)
        if expected is not None:
            told.add(findings.WRONG_HOST)
            return findings.in_order(told), expected
    return findings.in_order(told), None


def _secrets(
    found: Found, identities: Sequence[_Identity]
) -> tuple[tuple[RawKey, str | None], ...]:
    fingerprints = {identity.found.raw: identity.facts.hash for identity in identities}
    secrets: list[tuple[RawKey, str | None]] = [
        (secret, fingerprints[key.raw]) for key in found.keys for secret in key.secrets
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


def _environ_names(names: frozenset[str]) -> dict[str, str]:
    """Return the WSGI names; where two headers share one, the usual spelling with dashes wins."""
    return {"HTTP_" + name.upper().replace("-", "_"): name for name in sorted(names, reverse=True)}
