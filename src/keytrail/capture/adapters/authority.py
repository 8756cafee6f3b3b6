"""Host and port of an authority, as requests spell it."""

from __future__ import annotations


def split_authority(authority: str) -> tuple[str, int | None]:
    """Split ``host[:port]`` or ``[v6][:port]``; the host in lower case and without brackets."""
    host, colon, port = authority.strip().rpartition(":")
    if not colon or not port.isdecimal():
        host, port = authority.strip(), ""
    return host.strip("[]").lower(), int(port[:5]) if port else None
