"""What is suspicious about a key at the point of its use, told without any state."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from math import log2
from typing import TYPE_CHECKING, Final

from keytrail.capture.providers import serves

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from keytrail.capture.entry import Entry
    from keytrail.capture.extraction import Found
    from keytrail.capture.facts import FoundKey
    from keytrail.capture.providers import Home
    from keytrail.capture.view import RequestView
    from keytrail.settings import Network

DECOY: Final = "decoy"
WRONG_HOST: Final = "wrong_host"
REVOKED: Final = "revoked"
EXPIRED: Final = "expired"
CLEARTEXT_HTTP: Final = "cleartext_http"
WEAK: Final = "weak"
USERINFO: Final = "userinfo"
KEY_IN_URL: Final = "key_in_url"
DUPLICATE: Final = "duplicate"
REDIRECTED: Final = "redirected"

GRAVITY: Final = (
    DECOY,
    WRONG_HOST,
    REVOKED,
    EXPIRED,
    CLEARTEXT_HTTP,
    WEAK,
    USERINFO,
    KEY_IN_URL,
    DUPLICATE,
    REDIRECTED,
)
"""The findings of this module, the gravest first."""

Endpoint = tuple[str, int | None]
"""Host name and port, as in a view."""

_WEAK_BITS = 64
_STRONG_LENGTH = 20
_STRONG_DISTINCT = 5
_DEFAULT_PORTS = frozenset({None, 80, 443})


def in_order(findings: Collection[str]) -> tuple[str, ...]:
    """Return ``findings`` with the gravest first."""
    return tuple(finding for finding in GRAVITY if finding in findings) if findings else ()


def of_key(key: FoundKey) -> frozenset[str]:
    """Return the findings about where a key stood and how well it was chosen."""
    found = set()
    if key.location in ("query", "path"):
        found.add(KEY_IN_URL)
    elif key.location == "userinfo":
        found.add(USERINFO)
    if is_weak(key):
        found.add(WEAK)
    return frozenset(found)


def of_entry(entry: Entry, now: float) -> frozenset[str]:
    """Return the findings about a key that the inventory knows, at ``now`` (Unix seconds)."""
    found = set()
    if entry.decoy:
        found.add(DECOY)
    if entry.revoked is not None and entry.revoked <= now:
        found.add(REVOKED)
    if entry.expires is not None and entry.expires <= now:
        found.add(EXPIRED)
    return frozenset(found)


def is_duplicate(found: Found) -> bool:
    """Whether a request presents a key twice, or two keys where only one can be.

    Who checks one of them and who acts on the other may then differ.
    """
    places = [(key.location, key.field) for key in found.keys]
    keys = {key.raw for key in found.keys}
    return len(set(places)) < len(places) or len(keys) < len(places)


def is_weak(key: FoundKey) -> bool:
    """Whether a key can be guessed: under 64 bits even if it were random, or hardly any symbols.

    Judged are keys that are secrets as they stand, so neither JWTs nor the ids of signing keys.
    """
    if key.type not in ("opaque", "basic"):
        return False
    value = key.raw.reveal()
    if len(set(value[:64])) < _STRONG_DISTINCT:
        return True
    return len(value) < _STRONG_LENGTH and len(value) * log2(_alphabet(value)) < _WEAK_BITS


class Cleartext:
    """Tells outgoing requests that leave this machine unencrypted, but for where the user allows.

    Of incoming requests this says nothing: TLS usually ends at a proxy before us.
    """

    def __init__(self, allowed: Sequence[Network | str]) -> None:
        self._hosts = tuple(one.lower() for one in allowed if isinstance(one, str))
        self._networks = tuple(one for one in allowed if not isinstance(one, str))
        self._is_near = lru_cache(maxsize=256)(self._find_near)

    def found(self, view: RequestView) -> bool:
        """Whether ``view`` goes unencrypted to where it should not."""
        return view.scheme in ("http", "ws") and not self._is_near(view.host)

    def _find_near(self, host: str) -> bool:
        host = host.rstrip(".")
        if host == "localhost" or host.endswith(".localhost") or serves(self._hosts, host):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or any(address in network for network in self._networks)


def wrong_host(view: RequestView, home: Home, first: Endpoint | None = None) -> str | None:
    """Return the host that a key should have gone to, if the outgoing ``view`` goes to another.

    It comes with its port where only that differs. ``home`` is where the key belongs. Where that is
    not certain, a key that was meant for the ``first`` host of a chain of redirects must not reach
    another one, unless both are the same provider's. Ports 80 and 443 are one: from ``http`` to
    ``https`` on a host is no other host.
    """
    if home.hosts and home.certain:
        return None if serves(home.hosts, view.host) else _expected(home.hosts, first)
    if first is None or first == (view.host, view.port) or serves(home.hosts, first[0]):
        return None
    host, port = first
    if host != view.host:
        return host
    if _port(port) != _port(view.port):
        return f"{host}:{port}" if port else host
    return None


def _expected(hosts: Sequence[str], first: Endpoint | None) -> str:
    if first is not None and serves(hosts, first[0]):
        return first[0]
    return f"*{hosts[0]}" if hosts[0].startswith(".") else hosts[0]


def _port(port: int | None) -> int | None:
    return None if port in _DEFAULT_PORTS else port


def _alphabet(value: bytes) -> int:
    """Return how many symbols the classes that occur in ``value`` have."""
    classes = ((b"0", b"9", 10), (b"a", b"z", 26), (b"A", b"Z", 26))
    symbols = 0
    rest = len(value)
    for low, high, size in classes:
        occurring = sum(low[0] <= byte <= high[0] for byte in value)
        symbols += size if occurring else 0
        rest -= occurring
    return symbols + (33 if rest else 0)
