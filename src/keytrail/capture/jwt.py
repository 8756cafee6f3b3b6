"""Is a token a JWT, and does it count as a key? Claims are read unverified, and only for this."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Literal

Rule = Literal["keys", "identity", "all"]
Claims = Mapping[str, Any]

LONG_LIVED_SECONDS = 30 * 24 * 60 * 60

_MAX_READ_BYTES = 16 * 1024
_UNREADABLE: Claims = {"exp": 0, "iat": 0}
"""Stands for claims that are encrypted or too long: a token of a user, as far as can be told."""

_CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")


def read_claims(token: bytes) -> Claims | None:
    """Return the claims of a compact JWS or JWE, or ``None`` where ``token`` is neither.

    The claims of an encrypted token, or of one longer than 16 KiB, read as those of a short-lived
    one: it is redacted, and does not count as a key.
    """
    if not token.startswith(b"ey"):
        return None
    parts = token.split(b".", 5)
    if len(parts) not in (3, 5):
        return None
    if len(token) > _MAX_READ_BYTES:
        return _UNREADABLE
    header = _json_object(parts[0])
    if header is None or "alg" not in header:
        return None
    return _json_object(parts[1]) if len(parts) == 3 else _UNREADABLE


def hashed_bytes(token: bytes, claims: Claims, rule: Rule, now: float) -> bytes | None:
    """Return what is fingerprinted of a JWT under ``rule``, or ``None`` if it is no key.

    ``all``: the token. ``keys``: the token, if it has no ``exp`` or is valid for more than 30
    days, counted from ``iat`` or else from ``now`` (Unix seconds). ``identity``: issuer and client
    id, separated by a blank, where there is an issuer; else as ``keys``. The client id is the
    first of ``client_id``, ``azp``, ``cid`` and ``appid``; never ``sub``, which is a user in most
    tokens, so tokens that name no client are grouped by issuer alone.
    """
    if rule == "all":
        return token
    if rule == "identity":
        issuer = claims.get("iss")
        if isinstance(issuer, str) and issuer:
            return f"{issuer} {_client_id(claims)}".encode("utf-8", "replace")
    return token if _long_lived(claims, now) else None


def _client_id(claims: Claims) -> str:
    for name in _CLIENT_CLAIMS:
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _long_lived(claims: Claims, now: float) -> bool:
    expires = _seconds(claims.get("exp"))
    if expires is None:
        return True
    issued = _seconds(claims.get("iat"))
    return expires - (now if issued is None else issued) > LONG_LIVED_SECONDS


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _json_object(part: bytes) -> dict[str, Any] | None:
    try:
        decoded = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
