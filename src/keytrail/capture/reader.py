"""The one entry to this folder's pure half: a request in, facts and what to redact out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from keytrail import faults
from keytrail.capture import findings
from keytrail.capture.catalogue import CatalogueError
from keytrail.capture.client_address import ClientAddress
from keytrail.capture.extraction import Extraction
from keytrail.capture.facts import RequestFacts
from keytrail.capture.gateway import Gateway
from keytrail.capture.identification import NOTHING, Identified, Identifier, Secrets
from keytrail.capture.inventory import Inventory
from keytrail.capture.providers import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from keytrail.capture.entry import IsRaw
    from keytrail.capture.findings import Endpoint
    from keytrail.capture.fingerprint import Peppers
    from keytrail.capture.view import Header, RequestView
    from keytrail.settings import Settings

MAX_USER_AGENT = 512
MAX_KNOWN = 256
"""Sets of headers whose keys are not identified anew whenever they come."""
MAX_KNOWN_BYTES = 1024
"""A longer set is identified anew."""

logger = logging.getLogger("keytrail")


class Read(NamedTuple):
    """What one request told."""

    facts: RequestFacts
    secrets: Secrets
    user_tokens: int
    """JWTs that are no keys: redacted and counted, not facts."""


class RequestReader:
    """Reads requests under fixed settings and peppers."""

    wanted: frozenset[str]
    """Lower-case names of the headers that adapters must hand over."""
    wanted_bytes: frozenset[bytes]
    """The same for ASGI."""
    wanted_environ: Mapping[str, str]
    """The same for WSGI: ``HTTP_X_API_KEY`` → ``x-api-key``."""
    added_headers: frozenset[str]
    """Key headers that the catalogue or the user adds to the known ones."""
    added_query: frozenset[str]
    """Key parameters that the catalogue or the user adds to the known ones."""
    added_shapes: tuple[str, ...]
    """Patterns of whole keys that the user's catalogue adds."""
    keyed_bytes: frozenset[bytes]
    """For ASGI, those of them that can carry a key."""
    keyed_environ: frozenset[str]
    """For WSGI, those of them that can carry a key."""
    may_be_in: Callable[[bytes], bool]
    """Tells whether a query can carry a key, for a carrier whose headers carry none."""

    def __init__(self, settings: Settings, peppers: Peppers) -> None:
        catalogue = load_catalogue(settings)
        self._inventory = Inventory(settings.inventory, is_raw=raw_key_judge(peppers, catalogue))
        self._entries = self._inventory.entries
        self._identifier = Identifier(peppers, catalogue, self._inventory)
        self._extraction = Extraction(settings, catalogue)
        self._cleartext = findings.Cleartext(settings.cleartext_to)
        self._client_address = ClientAddress(settings.trusted_proxies, settings.client_address)
        self._gateway = Gateway(settings.key_id_header, self._client_address)
        self._known: dict[tuple[str, str | None, tuple[Header, ...]], Identified] = {}
        keyed = self._extraction.wanted | self._gateway.wanted
        self.wanted = keyed | self._client_address.wanted | {"user-agent"}
        self.wanted_bytes = _bytes_of(self.wanted)
        self.wanted_environ = _environ_names(self.wanted)
        self.added_headers = self._extraction.added_headers
        self.added_query = self._extraction.added_query
        self.added_shapes = catalogue.added_shapes
        self.keyed_bytes = _bytes_of(keyed)
        self.keyed_environ = frozenset(_environ_names(keyed))
        self.may_be_in = self._extraction.may_be_in
        self._sent = self._extraction.wanted | _bytes_of(self._extraction.wanted)

    def may_go_out(self, names: Iterable[str | bytes], target: str, host: str) -> bool:
        """Tell whether a request with headers of these lower-case ``names`` can carry a key."""
        path, _, query = target.partition("?")
        return (
            not self._sent.isdisjoint(names)
            or (query and self._extraction.may_be_in(query.encode("utf-8", "surrogatepass")))
            or self._extraction.may_be_in_path(host, path)
        )

    def incoming(self, view: RequestView) -> Read:
        """Return what a request that reached us tells."""
        identified = self._identify(view, "", self._gateway.named(view))
        facts = self._incoming(view, identified)
        return Read(facts, identified.secrets, identified.user_tokens)

    def keyless(self, view: RequestView) -> RequestFacts:
        """Return the facts of a request that came without a key, whatever it holds by now."""
        return self._incoming(view, NOTHING)

    def _incoming(self, view: RequestView, identified: Identified) -> RequestFacts:
        agent = view.header("user-agent")
        return RequestFacts(
            "incoming",
            identified.keys,
            view.method,
            view.scheme,
            view.host,
            view.port,
            view.path,
            self._client_address.find(view),
            agent[:MAX_USER_AGENT].decode("utf-8", "replace") if agent else None,
            findings.in_order(identified.findings),
        )

    def outgoing(
        self, view: RequestView, first_host: Endpoint | None = None, redirected: bool = False
    ) -> Read:
        """Return what a request that we send tells.

        ``first_host``: where the chain of redirects began, whose hop this is; ``redirected``: this
        is not its first hop.
        """
        identified = self._identify(view, view.host)
        told: tuple[str, ...] = ()
        expected = None
        if identified.keys:
            told, expected = self._suspicious(view, identified, first_host, redirected)
        path = view.path if identified.redacted_path is None else identified.redacted_path
        facts = RequestFacts(
            "outgoing",
            identified.keys,
            view.method,
            view.scheme,
            view.host,
            view.port,
            path,
            findings=told,
            host_expected=expected,
        )
        return Read(facts, identified.secrets, identified.user_tokens)

    def _suspicious(
        self,
        view: RequestView,
        identified: Identified,
        first_host: Endpoint | None,
        redirected: bool,
    ) -> tuple[tuple[str, ...], str | None]:
        told = set(identified.findings)
        if redirected:
            told.add(findings.REDIRECTED)
        if self._cleartext.found(view):
            told.add(findings.CLEARTEXT_HTTP)
        for home in identified.homes:
            expected = findings.wrong_host(view, home, first_host)
            if expected is not None:
                told.add(findings.WRONG_HOST)
                return findings.in_order(told), expected
        return findings.in_order(told), None

    def _identify(self, view: RequestView, host: str, named: str | None = None) -> Identified:
        identified = self._identify_anywhere(view, host, named)
        return _in_metadata(identified) if view.metadata else identified

    def _identify_anywhere(self, view: RequestView, host: str, named: str | None) -> Identified:
        """Identify the keys of a request, or remember what the very same headers told before."""
        lines = self._extraction.lines(view)
        beside = self._extraction.may_be_beside_headers(view, host)
        if not lines and not beside and named is None:
            return NOTHING
        entries = self._inventory.current()
        if beside:
            return self._identify_anew(view, host, named)
        if entries is not self._entries or len(self._known) > MAX_KNOWN:
            self._entries, self._known = entries, {}
        known = self._known.get((host, named, lines))
        if known is None or known.until <= time.time():
            known = self._identify_anew(view, host, named)
            if _lasts(known, lines):
                self._known[host, named, lines] = known
        return known

    def _identify_anew(self, view: RequestView, host: str, named: str | None) -> Identified:
        found = self._gateway.complete(self._extraction.find(view, host), named)
        return self._identifier.identify(found, host, named)


def _in_metadata(identified: Identified) -> Identified:
    return identified._replace(
        keys=tuple(
            key._replace(location="metadata") if key.location == "header" else key
            for key in identified.keys
        )
    )


def _lasts(identified: Identified, lines: tuple[Header, ...]) -> bool:
    """Tell whether the same headers always tell the same: a JWT is judged by the clock."""
    return (
        not identified.user_tokens
        and all(key.type != "jwt" for key in identified.keys)
        and sum(len(value) for _, value in lines) <= MAX_KNOWN_BYTES
    )


def raw_key_judge(peppers: Peppers | None, catalogue: Catalogue) -> IsRaw:
    """Return what tells a raw key in an inventory; without peppers, by its shape alone."""

    def is_raw(text: str, fingerprint: str | None) -> bool:
        key = text.encode("utf-8", "surrogatepass")
        known = peppers.all(key) if peppers is not None else ()
        return bool(key) and (catalogue.is_secret(key) or fingerprint in known)

    return is_raw


def load_catalogue(settings: Settings) -> Catalogue:
    """Return the catalogue of ``settings``; keytrail's own alone where the user's is not usable."""
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
