"""One request, read without IO: what every carrier and every wire tap is turned into."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Header = tuple[str, bytes]
"""Lower-case name and the value's bytes as they were on the wire."""


class RequestView(NamedTuple):
    """The parts of one HTTP request that extraction reads.

    Adapters fill it with what the carrier already holds; nothing is decoded that need not be. A
    tuple, because one is made for every request, at a third of a frozen dataclass's price.
    """

    method: str
    """As sent; empty where the carrier does not tell."""
    scheme: str
    """``http``, ``https``, ``ws`` or ``wss``."""
    host: str
    """Host name or address without port, lower case, no brackets."""
    port: int | None
    path: str
    query: bytes
    """The raw query without its question mark, still percent-encoded."""
    headers: Sequence[Header]
    """Only the headers that were asked for, repeated ones as often as they were sent, in order."""
    peer: str = ""
    """Address of the direct peer of an incoming request, without port."""
    userinfo: bytes = b""
    """What stands before ``@`` in an outgoing URL, still percent-encoded."""
    metadata: bool = False
    """Whether the headers are the metadata of a gRPC call."""

    def header(self, name: str) -> bytes | None:
        """Return the first value of the lower-case header ``name``."""
        for candidate, value in self.headers:
            if candidate == name:
                return value
        return None

    def header_lines(self, name: str) -> list[bytes]:
        """Return every value of the lower-case header ``name`` in order."""
        return [value for candidate, value in self.headers if candidate == name]
