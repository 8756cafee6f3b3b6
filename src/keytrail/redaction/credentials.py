"""Credentials that no name announces: after an authorization scheme, and in a URL's userinfo."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from keytrail.redaction import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTHORITY: Final = re.compile(
    rb":(?:\\?/){2}|(?P<percent>%(?:25)*)3a(?:(?P=percent)2f){2}", re.IGNORECASE
)
_LONGEST_BASIC: Final = 16 * 1024
_OPEN_USERINFO: Final = re.compile(
    rb":(?:\\?/){2}[^\s/?#\"'<>\\]*\Z|%(?:25)*3a(?:%(?:25)*2f){2}[^\s/?#&\"'<>\\]*\Z", re.IGNORECASE
)
_NOT_IN_USERINFO: Final = tuple(bytes([one]) for one in b" \t\n\r\f\v/?#\"'<>\\")
_LONGEST_USERINFO: Final = 4 * 1024
_AFTER_ENCODED_AUTHORITY: Final = rb"(?:2f|3f|23)"


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
    begin, percent = slashes.end(), slashes["percent"]
    if percent is not None:
        end = _first(percent + _AFTER_ENCODED_AUTHORITY, data, begin, end)
    stop = data.rfind(b"@" if percent is None else percent + b"40", begin, end)
    if stop < 0:
        return
    colon = _first(b":" if percent is None else percent + b"3a", data, begin, stop)
    if colon < stop:
        yield begin, colon
        yield colon + (1 if percent is None else len(percent) + 2), stop
    elif reach.looks_secret(data[begin:stop]):
        yield begin, stop


def userinfo_before(data: bytes, end: int) -> int:
    """Return where a userinfo begins that may go on at ``end``, else ``end``.

    A word that is too long to be looked through counts as one.
    """
    word = 1 + max([data.rfind(one, 0, end) for one in _NOT_IN_USERINFO])
    if end - word > _LONGEST_USERINFO:
        return word
    opened = _OPEN_USERINFO.search(data, max(0, word - len(rb":\/\/")), end)
    return end if opened is None else opened.start()


def _first(pattern: bytes, data: bytes, start: int, end: int) -> int:
    found = re.compile(pattern, re.IGNORECASE).search(data, start, end)
    return end if found is None else found.start()


def _is_basic(run: bytes) -> bool:
    run = run.rstrip(b".=")
    if len(run) > _LONGEST_BASIC:
        return True
    try:
        return b":" in base64.b64decode(run + b"=" * (-len(run) % 4), validate=True)
    except ValueError:
        return reach.looks_secret(run)
