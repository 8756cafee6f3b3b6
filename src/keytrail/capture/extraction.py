"""Finds the keys of a request, wherever they may stand; the caps below bound the work."""

from __future__ import annotations

import dataclasses
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from keytrail.capture import jwt, known_names
from keytrail.capture.authorization import (
    Credential,
    UserIsKey,
    choose_basic,
    parse_authorization,
    parse_key_header,
    split_joined,
)
from keytrail.capture.facts import FoundKey, Location
from keytrail.capture.key import RawKey
from keytrail.capture.subprotocol import HEADER as SUBPROTOCOL
from keytrail.capture.subprotocol import parse_subprotocols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytrail.capture.providers import Catalogue
    from keytrail.capture.view import Header, RequestView
    from keytrail.settings import Settings

MAX_BYTES: Final = 64 * 1024
"""Bytes of the query and of each cookie line that are looked at: what servers accept at most, so
that a key cannot hide behind a filler."""
MAX_HEADER_LINES: Final = 64
"""Lines that may carry a key, of those that were sent."""
MAX_KEYS: Final = 16
"""Keys that are told of one request; what more it holds is redacted only."""

_INDEX = re.compile(rb"\[[0-9]{0,4}\]$")
"""What makes a parameter one of an array: ``api_key[]``, ``api_key[0]``."""
_PLAUSIBLE = re.compile(rb"[A-Za-z0-9_.~+/=-]{16,}")
_NOT_OPAQUE = frozenset({b'["', b"ey"})
"""How JSON arrays and JWTs begin."""
_FIRST, _KEY_HEADER, _PROXY = range(3)


@dataclasses.dataclass(slots=True)
class Found:
    """What one request holds; raw, so never to be kept."""

    keys: list[FoundKey] = dataclasses.field(default_factory=list)
    """In the order of trust: ``Authorization``, key headers, query, cookies, the rest."""
    secrets: list[RawKey] = dataclasses.field(default_factory=list)
    """What must be redacted and belongs to none of the keys."""
    user_tokens: int = 0
    redacted_path: str | None = None
    """The path without its key, if a key was in it."""


class Extraction:
    """The rules by which keys are found, prepared once from the settings.

    Where a key may stand, in the order in which it is taken to have authenticated:
    ``Authorization``; key headers; ``Proxy-Authorization``; query parameters; presigned URLs;
    cookies that the settings name; the userinfo of a URL; a path that the catalogue knows.

    The query parameters ``key`` and ``sig`` mean other things as often, so their value is a key
    only if it has at least 16 characters, all of a token's alphabet, or if the catalogue says that
    the called host takes its key there. A value that is the text of a JSON array comes from a
    carrier that was serialised, not from a client: it is redacted and is no key.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._jwt_rule = settings.jwt
        self._configured_query = frozenset(name.lower() for name in settings.query)
        self._cookies = {name.encode("utf-8"): name.lower() for name in settings.cookies}
        self.added_headers = catalogue.headers | _lower(settings.headers)
        """Headers that the catalogue or the user adds to the known ones."""
        self.added_query = (catalogue.query - known_names.QUERY) | self._configured_query
        """Parameters that the catalogue or the user adds to the known ones."""
        key_headers = known_names.HEADERS | self.added_headers
        self._ranks = dict.fromkeys(key_headers | known_names.SECRET_HEADERS, _KEY_HEADER)
        self._ranks |= {"authorization": _FIRST, "proxy-authorization": _PROXY}
        self._ranks[SUBPROTOCOL] = _KEY_HEADER
        self._query = {
            name.encode("utf-8"): name
            for name in known_names.QUERY
            | catalogue.query
            | self._configured_query
            | known_names.SIGNED_QUERY_IDS
            | known_names.SIGNED_QUERY_SECRETS
        }
        self._query_names = frozenset(self._query)
        self.wanted = frozenset(self._ranks) | ({"cookie"} if self._cookies else set())

    def may_be_in(self, query: bytes) -> bool:
        """Tell whether a parameter of ``query`` may have the name of one that carries a key."""
        names = [pair.partition(b"=")[0] for pair in query[:MAX_BYTES].lower().split(b"&")]
        return not self._query_names.isdisjoint(names) or (
            (b"%" in query or b"[" in query) and any(b"%" in name or b"[" in name for name in names)
        )

    def _field_of(self, name: bytes) -> str | None:
        plain = _decoded(name).lower()
        return self._query.get(plain) or self._query.get(_INDEX.sub(b"", plain))

    def lines(self, view: RequestView) -> tuple[Header, ...]:
        """Return the headers of ``view`` that can carry a key."""
        ranks = self._ranks
        return tuple([line for line in view.headers if line[0] in ranks])

    def may_be_beside_headers(self, view: RequestView, host: str) -> bool:
        """Tell whether a key may stand anywhere but in the headers that can carry one."""
        return bool(
            (view.query and self.may_be_in(view.query))
            or (self._cookies and view.header("cookie"))
            or view.userinfo
            or (host and self.may_be_in_path(host, view.path))
        )

    def may_be_in_path(self, host: str, path: str) -> bool:
        """Tell whether ``path`` holds a key of the called ``host``."""
        return self._catalogue.key_in_path(host, path) is not None

    def find(self, view: RequestView, host: str = "") -> Found:
        """Return the keys of ``view``; ``host`` is the called host, empty for incoming requests."""
        found = Found()
        user_is_key = partial(self._catalogue.user_is_key, host=host)
        lines = self.lines(view)
        if lines:
            self._read_headers(found, lines, user_is_key)
        if view.query:
            self._read_query(found, view.query, host)
        if self._cookies:
            self._read_cookies(found, view.header_lines("cookie")[:MAX_HEADER_LINES])
        if view.userinfo:
            self._read_userinfo(found, view.userinfo, user_is_key)
        if host:
            self._read_path(found, host, view.path)
        return found

    def _read_headers(self, found: Found, lines: Sequence[Header], user_is_key: UserIsKey) -> None:
        ranked = sorted(lines, key=lambda line: self._ranks[line[0]])
        for name, line in ranked[:MAX_HEADER_LINES]:
            value = line.strip()
            if name in known_names.AUTHORIZATION:
                for one in split_joined(value):
                    self._take(found, parse_authorization(one, user_is_key), "header", name)
            elif name in known_names.SECRET_HEADERS:
                found.secrets += _raw((value,))
            elif name == SUBPROTOCOL:
                for credential in parse_subprotocols(value):
                    self._take(found, credential, "header", name)
            else:
                self._take(found, parse_key_header(value), "header", name)

    def _read_query(self, found: Found, query: bytes, host: str) -> None:
        key_ids: list[tuple[str, bytes]] = []
        signatures: list[bytes] = []
        for pair in query[:MAX_BYTES].split(b"&"):
            name, _, encoded = pair.partition(b"=")
            if not encoded:
                continue
            field = self._field_of(name)
            if field is None:
                continue
            value = _decoded(encoded).strip()
            forms = (value,) if encoded == value else (value, encoded)
            if field in known_names.SIGNED_QUERY_IDS:
                key_ids.append((field, value.partition(b"/")[0]))
            elif field in known_names.SIGNED_QUERY_SECRETS:
                signatures += forms
            elif self._is_query_key(field, value, host):
                self._take(found, Credential(value, "", secrets=forms[1:]), "query", field)
        self._take_signed(found, key_ids, signatures)

    def _is_query_key(self, field: str, value: bytes, host: str) -> bool:
        return (
            field not in known_names.AMBIGUOUS_QUERY
            or field in self._configured_query
            or _PLAUSIBLE.fullmatch(value) is not None
            or self._catalogue.takes_query_key(host, field)
        )

    def _take_signed(
        self, found: Found, key_ids: Sequence[tuple[str, bytes]], signatures: Sequence[bytes]
    ) -> None:
        for field, key_id in key_ids:
            credential = Credential(key_id, "", "signed_url", secrets=tuple(signatures))
            self._take(found, credential, "query", field)
        if not key_ids:
            found.secrets += _raw(signatures)

    def _read_cookies(self, found: Found, lines: Sequence[bytes]) -> None:
        for line in lines:
            for pair in line[:MAX_BYTES].split(b";"):
                name, _, value = pair.partition(b"=")
                field = self._cookies.get(name.strip())
                if field is not None:
                    self._take(found, Credential(_unquoted(value.strip()), ""), "cookie", field)

    def _read_userinfo(self, found: Found, userinfo: bytes, user_is_key: UserIsKey) -> None:
        """Read userinfo; the header that a client makes of it is the same key, not another one."""
        user, _, password = userinfo.partition(b":")
        credential = choose_basic(_decoded(user), _decoded(password), user_is_key)
        encoded = tuple(part for part in (user, password) if b"%" in part)
        for place, key in enumerate(found.keys):
            if key.scheme == "basic" and key.raw == RawKey(credential.key):
                found.keys[place] = key._replace(location="userinfo", field="userinfo", scheme=None)
                found.secrets += _raw(encoded)
                return
        credential = credential._replace(scheme="", secrets=(*credential.secrets, *encoded))
        self._take(found, credential, "userinfo", "userinfo")

    def _read_path(self, found: Found, host: str, path: str) -> None:
        in_path = self._catalogue.key_in_path(host, path)
        if in_path is not None:
            found.redacted_path = in_path.redacted_path
            credential = Credential(in_path.key, "", companion=in_path.companion)
            self._take(found, credential, "path", "path")

    def _take(self, found: Found, credential: Credential, location: Location, field: str) -> None:
        """Add what ``credential`` holds, as a key or only as something to redact."""
        if credential.key[:2] in _NOT_OPAQUE:
            credential = self._judge(found, credential)
        if not credential.key or len(found.keys) >= MAX_KEYS:
            found.secrets += _raw((credential.key, *credential.secrets))
            return
        raw = RawKey(credential.key)
        secrets = _raw(credential.secrets) if credential.secrets else ()
        if credential.type in ("opaque", "basic"):
            secrets = (raw, *secrets)
        companion = None if credential.companion is None else RawKey(credential.companion)
        scheme = credential.scheme or None
        found.keys.append(
            FoundKey(raw, secrets, credential.type, location, field, scheme, companion)
        )

    def _judge(self, found: Found, credential: Credential) -> Credential:
        """Turn what is no key after all, or is a JWT, into what it is."""
        key = credential.key
        if key.startswith(b'["') and key.endswith(b'"]'):
            elements = key.split(b'"', 2 * MAX_KEYS)[1::2]
            return credential._replace(key=b"", secrets=(key, *elements, *credential.secrets))
        claims = jwt.read_claims(key)
        if claims is None:
            return credential
        hashed = jwt.hashed_bytes(key, claims, self._jwt_rule, time.time())
        found.user_tokens += hashed is None
        return credential._replace(
            key=hashed or b"", type="jwt", secrets=(key, *credential.secrets)
        )


def _decoded(text: bytes) -> bytes:
    """Percent-decode once; a plus stays a plus."""
    return unquote_to_bytes(text) if b"%" in text else text


def _unquoted(value: bytes) -> bytes:
    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value


def _raw(values: Sequence[bytes]) -> tuple[RawKey, ...]:
    return tuple(RawKey(value) for value in values if value)


def _lower(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)
