"""Credentials that no name announces: after an authorization scheme, and in a URL's userinfo."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from keytrail.redaction import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTHORITY: Final = re.compile(rb":(?:\\?/){2}|%(?:25)*3a(?:%(?:25)*2f){2}", re.IGNORECASE)
_END_OF_AUTHORITY: Final = re.compile(rb"%(?:25)*(?:2f|3f|23)", re.IGNORECASE)
_AT: Final = re.compile(rb"%(?:25)*40")
_COLON: Final = re.compile(rb":|%(?:25)*3a", re.IGNORECASE)


def after_scheme(data: bytes, scheme: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield what follows ``Bearer`` and the like, unless it is a word: these are words too."""
    run = reach.token(data, start)
    if scheme == b"basic":
        secret = _is_basic(run)
    elif scheme == b"bearer":
        secret = reach.has_digit(run)
    else:
        secret = reach.looks_secret(run)
    if secret:
        yield start, start + len(run)


def userinfo(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield user name and password; a user name alone only where it looks like a secret.

    ``start`` is the colon before the slashes, ``end`` lies behind the at sign.
    """
    slashes = _AUTHORITY.match(data, start)
    if slashes is None:
        return
    begin = slashes.end()
    encoded_at = _AT.search(data, begin) if data[start : start + 1] == b"%" else None
    stop = encoded_at.start() if encoded_at else data.rfind(b"@", begin, end)
    if encoded_at and _END_OF_AUTHORITY.search(data, begin, stop):
        return
    colon = _COLON.search(data, begin, stop)
    if colon:
        yield begin, colon.start()
        yield colon.end(), stop
    elif reach.looks_secret(data[begin:stop]):
        yield begin, stop


def _is_basic(run: bytes) -> bool:
    run = run.rstrip(b".=")
    try:
        return b":" in base64.b64decode(run + b"=" * (-len(run) % 4), validate=True)
    except ValueError:
        return reach.looks_secret(run)
