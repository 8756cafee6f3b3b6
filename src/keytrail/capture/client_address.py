"""The client's address, believed only as far as the trusted proxies vouch for it."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from keytrail.capture.view import RequestView
    from keytrail.settings import Network

MAX_HOPS = 32
"""Entries that are looked at, from the right; a longer chain of trusted proxies is not believed."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Policy = Literal["full", "truncated", "none"]

_MAX_TEXT = 64
_FORWARDED_FOR = re.compile(rb'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"\s]*))', re.IGNORECASE)
_KEPT_BITS = {4: 24, 6: 48}


class ClientAddress:
    """Finds the address of the client of an incoming request.

    The peer is the client, unless it is in a trusted network: then the right-most address of
    ``X-Forwarded-For`` that is not itself trusted is. ``Forwarded`` is read only where
    ``X-Forwarded-For`` is absent: nearly every proxy appends to the latter, and one that does not
    write the former passes on what the client put there. An entry that is no address ends the
    walk: what stands to its left is vouched for by nobody. A peer without an address is on this
    machine, behind a Unix socket, and believed where any proxy is.
    """

    def __init__(self, trusted: Sequence[Network], policy: Policy) -> None:
        self._trusted = tuple(trusted)
        self._policy = policy
        self._is_trusted = lru_cache(maxsize=1024)(self._find_network)
        self.wanted: frozenset[str] = (
            frozenset({"forwarded", "x-forwarded-for"}) if trusted else frozenset()
        )

    def find(self, view: RequestView) -> str | None:
        """Return the client's address under the policy; ``None`` where there is none to tell."""
        if self._policy == "none":
            return None
        client = self._walk(view) if self._trusted else view.peer
        if not client:
            return None
        return client if self._policy == "full" else truncated(client)

    @property
    def trusted(self) -> bool:
        """Whether any proxy is trusted."""
        return bool(self._trusted)

    def trusts(self, view: RequestView) -> bool:
        """Tell whether the direct peer is one of the trusted proxies."""
        return bool(self._trusted) and (not view.peer or self._is_trusted(view.peer))

    def _walk(self, view: RequestView) -> str:
        client = view.peer
        if not self.trusts(view):
            return client
        for entry in _forwarded_from_right(view):
            address = _parse(entry)
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _find_network(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in network for network in self._trusted)


def _forwarded_from_right(view: RequestView) -> Iterator[str]:
    lines = view.header_lines("x-forwarded-for")
    if lines:
        return (entry.decode("latin-1") for entry in _entries_from_right(lines))
    lines = view.header_lines("forwarded")
    return (_forwarded_for(entry) for entry in _entries_from_right(lines))


def _entries_from_right(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Yield at most ``MAX_HOPS`` entries of all lines taken as one list, the last one first."""
    left = MAX_HOPS
    for line in reversed(lines):
        for entry in reversed(line.rsplit(b",", left)[-left:]):
            yield entry.strip()
            left -= 1
        if not left:
            return


def _forwarded_for(element: bytes) -> str:
    found = _FORWARDED_FOR.search(element[: 8 * _MAX_TEXT])
    return (found[1] or found[2] or b"").decode("latin-1") if found else ""


def forwarded_entries(header: str, line: str) -> list[str]:
    """Return the last ``MAX_HOPS`` addresses, or what stands in their place, of a header's line."""
    entries = [*_entries_from_right([line.encode("latin-1", "replace")])][::-1]
    if header == "forwarded":
        return [_forwarded_for(entry) for entry in entries]
    return [entry.decode("latin-1") for entry in entries]


def truncated(client: str) -> str | None:
    """Return the /24 or /48 that an address is in; ``None`` for what is no address."""
    address = _parse(client)
    if address is None:
        return None
    network = ipaddress.ip_network((address, _KEPT_BITS[address.version]), strict=False)
    return str(network.network_address)


def _parse(text: str) -> Address | None:
    """Return the address in ``text``; ``None`` if there is none.

    Quotes, brackets, port and zone are cut. An IPv4 address that is mapped into IPv6 is returned as
    the IPv4 address that it is.
    """
    if len(text) > _MAX_TEXT:
        return None
    text = text.strip(' "')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
