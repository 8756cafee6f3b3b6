"""Attributes with a form of their own, mostly keytrail's: what has it need not be redacted."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from keytrail import semconv
from keytrail.capture.facts import Direction, KeyType, Location

PREFIX: Final = "keytrail."
FREE_TEXT: Final = "keytrail.outcome_message"
"""The one of keytrail's attributes that applications fill with sentences."""
JUDGED: Final = semconv.HASHES | {semconv.KEY_ID}
"""Those whose values look like secrets to a search that does not know their names."""
_PEPPER_ID: Final = re.compile(r"[0-9a-f]{8}")
_PUBLIC_ID: Final = re.compile(r"A(?:3T[0-9A-Z]|[A-Z]{2}A)[0-9A-Z]{16,124}")
"""AWS access key ids: the one public identifier that has a key's shape as well."""
ADDRESSES: Final = frozenset(
    {
        "client.address",
        "client.socket.address",
        "http.client_ip",
        "net.peer.ip",
        "net.sock.peer.addr",
        "network.peer.address",
        "server.address",
    }
)
_ADDRESS: Final = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}"
)
_FINDINGS: Final = frozenset(
    {
        "cleartext_http",
        "decoy",
        "duplicate",
        "expired",
        "key_in_url",
        "redirected",
        "revoked",
        "userinfo",
        "weak",
        "wrong_host",
    }
)
_REASONS: Final = frozenset(
    {
        "expired",
        "insufficient_scope",
        "malformed",
        "missing",
        "quota",
        "revoked",
        "unknown_key",
    }
)
_WORDS: Final[dict[str, frozenset[str]]] = {
    semconv.SCHEMA_VERSION: frozenset({semconv.SCHEMA}),
    semconv.DIRECTION: frozenset(get_args(Direction)),
    semconv.KEY_LOCATION: frozenset(get_args(Location)),
    semconv.KEY_TYPE: frozenset(get_args(KeyType)),
    semconv.OUTCOME: frozenset({"success", "denied", "rate_limited", "error", "unknown"}),
    semconv.OUTCOME_REASON: _REASONS,
    semconv.FINDING: _FINDINGS,
    semconv.FINDINGS: _FINDINGS,
}


def is_known(name: str, value: Any) -> bool:
    """Tell whether ``value`` is of the form that nothing but ``name`` asks for.

    What is passes untouched: otherwise a caller could erase what the audit says of it by
    presenting ``wrong_host``, or its own address, as a key. A fingerprint's place takes nothing but
    fingerprints.
    """
    if name in semconv.ONE_HASH:
        return _matches(semconv.FINGERPRINT, value)
    if name in semconv.MANY_HASHES:
        return isinstance(value, tuple | list) and all(
            _matches(semconv.FINGERPRINT, one) for one in value
        )
    if name == semconv.KEY_PEPPER_ID:
        return _matches(_PEPPER_ID, value)
    if name in ADDRESSES:
        return _matches(_ADDRESS, value)
    if name == semconv.KEY_ID:
        return _matches(_PUBLIC_ID, value)
    words = _WORDS.get(name, frozenset())
    if isinstance(value, tuple | list):
        return all(isinstance(one, str) and one in words for one in value)
    return isinstance(value, str) and value in words


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
