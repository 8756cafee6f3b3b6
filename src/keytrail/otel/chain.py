"""The hops of one outgoing call: which host it was meant for, and whether a hop was redirected."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SLOT = "_keytrail_chain"

current: ContextVar[Chain | None] = ContextVar("keytrail-chain", default=None)
"""The chain of the client call that is running, where its library spreads it over several spans."""


class Chain:
    """What the hops of one call have in common."""

    __slots__ = ("first_host", "last_status", "seen", "sent", "uses", "within")

    def __init__(self, within: str | None = None) -> None:
        self.within = within
        """The library whose call this is."""
        self.seen = False
        """Whether a tap saw any request of the call, with a key or without."""
        self.uses = 0
        """Hops of a span so far that carried a key."""
        self.first_host: tuple[str, int | None] | None = None
        """Host and port of the first hop."""
        self.last_status: int | None = None
        self.sent: set[str] = set()
        """Fingerprints of the keys that were sent so far."""

    @property
    def redirected(self) -> bool:
        """Whether the next hop follows a redirect."""
        return self.last_status in _REDIRECTS


def chain_on(span: Any) -> Chain:
    """Return the chain that lives as long as ``span`` or its stand-in."""
    chain: Chain | None = span.__dict__.get(_SLOT)
    if chain is None:
        chain = span.__dict__[_SLOT] = Chain()
    return chain
