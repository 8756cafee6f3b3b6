"""The value of an ``Authorization`` header, taken apart."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from keytrail import semconv
from keytrail.capture.known_names import KEYLESS_SCHEMES, SCHEMES, SIGNING_SCHEMES

if TYPE_CHECKING:
    from keytrail.capture.facts import KeyType

NO_SCHEME = "none"

UserIsKey = Callable[[bytes, bytes], bool]
"""Tells of Basic's user name and password whether the former is the key."""

_MAX_JOINED = 16
_MAX_NESTED = 4
"""Schemes before a key that are cut: ``Bearer Bearer …`` is a common slip."""

_CREDENTIAL = re.compile(rb'\bCredential\s*=\s*"?([^/,\s"]+)')
_SIGNATURE = re.compile(rb'\bSignature\s*=\s*"?([^,\s"]+)')
_AUTH_PARAMETERS = re.compile(rb'[\w-]+\s*="')
_JOINED = re.compile(
    rb",[ \t]*(?=(?:" + b"|".join(sorted((*SCHEMES, b"basic"))) + rb")[ \t]+[^\s=])", re.IGNORECASE
)
"""Where a server has put the next line of a header that was sent twice."""
_TOKEN_PARAMETER = re.compile(rb'token="?([^",;\s]+)', re.IGNORECASE)


class Credential(NamedTuple):
    """What one header value holds; an empty ``key`` means that it holds none."""

    key: bytes
    scheme: str
    type: KeyType = "opaque"
    companion: bytes | None = None
    secrets: tuple[bytes, ...] = ()
    """What must be redacted besides the key."""


def parse_authorization(value: bytes, user_is_key: UserIsKey) -> Credential:
    """Take apart the trimmed value of ``Authorization`` or ``Proxy-Authorization``.

    A value of one word is a bare key, unless it is the name of a scheme that came without a key.
    Of schemes within schemes the innermost counts. ``user_is_key`` says whether Basic's user name
    is the key although there is a password.
    """
    value = _innermost(value)
    words = value.split(None, 1)
    if len(words) < 2 or b"," in words[0] or value.startswith(b'["'):
        return _whole(b"" if _is_scheme(value.lower()) else value)
    scheme, rest = words[0].lower(), words[1]
    if scheme in SCHEMES:
        return _with_token(SCHEMES[scheme], rest)
    if scheme == b"basic":
        return _basic(rest, user_is_key)
    if scheme in SIGNING_SCHEMES:
        return _signed(SIGNING_SCHEMES[scheme], rest)
    if scheme in KEYLESS_SCHEMES:
        return Credential(b"", semconv.OTHER, secrets=(rest,))
    return _with_token(semconv.OTHER, rest)


def split_joined(value: bytes) -> list[bytes]:
    """Return the lines of ``Authorization`` that a server has joined by commas.

    Only where a scheme follows the comma: a key may hold commas itself.
    """
    return _JOINED.split(value, _MAX_JOINED) if b"," in value else [value]


def parse_key_header(value: bytes) -> Credential:
    """Take apart the trimmed value of a header such as ``X-API-Key``: rarely with a scheme.

    Servers join repeated lines by commas, and keys may hold commas: the value is one key, and each
    part is redacted too.
    """
    words = _innermost(value).split(None, 1)
    if len(words) == 2:
        name = SCHEMES.get(words[0].lower())
        if name is not None:
            return Credential(words[1], name)
    return _whole(value)


def choose_basic(user: bytes, password: bytes, user_is_key: UserIsKey) -> Credential:
    """Return which of the two is the key: the password, or the user name where it is empty."""
    if not password or user_is_key(user, password):
        return Credential(user, "basic", "basic", secrets=(password,))
    return Credential(password, "basic", "basic", user)


def _innermost(value: bytes) -> bytes:
    for _ in range(_MAX_NESTED):
        scheme, *rest = value.split(None, 1)[:2] or (b"",)
        if not rest or scheme.lower() not in SCHEMES:
            return value
        inner, *key = rest[0].split(None, 1)
        if inner.lower() != scheme.lower() and not (key and _is_scheme(inner.lower())):
            return value
        value = rest[0]
    return value


def _is_scheme(word: bytes) -> bool:
    return word in SCHEMES or word in KEYLESS_SCHEMES or word in SIGNING_SCHEMES or word == b"basic"


def _with_token(scheme: str, rest: bytes) -> Credential:
    parameter = _TOKEN_PARAMETER.match(rest)
    if parameter is not None:
        return Credential(parameter[1], scheme)
    if _AUTH_PARAMETERS.match(rest):
        return Credential(b"", scheme, secrets=(rest,))
    return Credential(rest, scheme, secrets=_parts(rest))


def _whole(value: bytes) -> Credential:
    return Credential(value, NO_SCHEME, secrets=_parts(value))


def _parts(value: bytes) -> tuple[bytes, ...]:
    """Return what was joined by commas, each by itself: no key, but to be redacted as one is."""
    if b"," not in value or value.startswith(b'["'):
        return ()
    return tuple(part.strip() for part in value.split(b",", _MAX_JOINED))


def _basic(encoded: bytes, user_is_key: UserIsKey) -> Credential:
    try:
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        return Credential(b"", "basic", secrets=(encoded,))
    user, _, password = decoded.partition(b":")
    credential = choose_basic(user, password, user_is_key)
    return credential._replace(secrets=(encoded, *credential.secrets))


def _signed(scheme: str, rest: bytes) -> Credential:
    if scheme == "aws":
        key_id, _, signature = rest.partition(b":")
        return Credential(key_id, scheme, "signature", secrets=(signature,))
    named = _CREDENTIAL.search(rest)
    if named is None:
        return Credential(b"", scheme, secrets=(rest,))
    signed = _SIGNATURE.search(rest)
    return Credential(named[1], scheme, "signature", secrets=(signed[1],) if signed else ())
