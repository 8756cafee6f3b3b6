"""The hops of one outgoing call: which host it was meant for, and whether a hop was redirected."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SLOT = "_keytrail_chain"

current: ContextVar[Chain | None] = ContextVar("keytrail-chain", default=None)
"""The chain of the client call that is running, where its library spreads it over several spans."""


class Chain:
    """What the hops of one call have in common."""

    seen = False
    """Whether a tap saw any request of the call, with a key or without."""
    uses = 0
    """Hops of a span so far that carried a key."""
    first_host: tuple[str, int | None] | None = None
    """Host and port of the first hop."""
    last_status: int | None = None
    sent: frozenset[str] = frozenset()
    """Fingerprints of the keys that were sent so far."""

    def __init__(self, within: str | None = None, outer: Chain | None = None) -> None:
        self.within = within
        """The library whose call this is."""
        self.outer = outer
        """The chain that was current before this one."""

    @property
    def redirected(self) -> bool:
        """Whether the next hop follows a redirect."""
        return self.last_status in REDIRECTS


def chain_on(span: Any) -> Chain:
    """Return the chain that lives as long as ``span`` or its stand-in."""
    chain: Chain | None = span.__dict__.get(_SLOT)
    if chain is None:
        chain = span.__dict__[_SLOT] = Chain()
    return chain
