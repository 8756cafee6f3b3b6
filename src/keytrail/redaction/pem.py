"""Private keys in PEM and its kin: what stands between their first line and their last."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import MOST_IN_ONE_TEXT, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK: Final = r"(?:[ +]|%(?:25)*20)"
_DASH: Final = r"(?:-|%(?:25)*2[dD])"
_BEGIN: Final = (
    rf"BEGIN{_BLANK}(?:[A-Z0-9]+{_BLANK}){{0,3}}PRIVATE{_BLANK}KEY(?:{_BLANK}BLOCK)?"
    rf"{_BLANK}?{_DASH}{{2,5}}"
)
_PUTTY: Final = r"Private-Lines:[ \t]*[0-9]+"
_END: Final = rf"{_DASH}{{1,5}}{_BLANK}?END|Private-(?:MAC|Hash):"
_LABELS: Final = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")

_BETWEEN: Final = rb"(?:[\s\"'`,>|#]|\\+(?:[nrt]|u000[adAD])|%(?:25)*(?:0[aAdD]|2[027]))"
_BASE64: Final = rb"(?:[A-Za-z0-9+/=]|%(?:25)*(?:2[bBfF]|3[dD]))"
_HEADER: Final = rb"[A-Z][A-Za-z]+(?:-[A-Z][A-Za-z]+)?: [^\r\n\\%]*"
_LINES: Final = re.compile(
    rb"(?:" + _BETWEEN + rb"*(?:" + _HEADER + rb"|" + _BASE64 + rb"{16,}))*"
    rb"(?:(?:[\r\n]|\\+[nr]|%(?:25)*0[aAdD])" + _BASE64 + rb"{1,15}(?=\Z|" + _BETWEEN + rb"))?"
)
"""What goes on like a key, where nothing says where it ends; a last line may be short."""
_BEFORE_BODY: Final = re.compile(_BETWEEN + rb"*")
_AFTER_BODY: Final = re.compile(_BETWEEN + rb"+\Z")
_ENCODED: Final = re.compile(rb"[A-Za-z0-9+/=_%-]*")
_LONGEST_BLANKS: Final = 64
_LONGEST_BODY: Final = 32 * 1024
"""Bytes after which a body that does not end takes all the rest of the text."""
_BASE64_OF_DASHES: Final = b"LS0t"


def _in_base64(label: str) -> str:
    """Return how a block of this label begins in base64, as Kubernetes keeps its secrets."""
    begin = f"-----BEGIN {label}PRIVATE KEY-----".encode()
    return base64.b64encode(begin[: len(begin) // 3 * 3]).decode().replace("+", r"\+")


class PrivateKeys:
    """Finds the secret part of private keys: whole, cut off, escaped, or in base64."""

    expression: Final = "|".join((_BEGIN, _PUTTY, *map(_in_base64, _LABELS)))

    def __init__(self) -> None:
        self._begin = Pattern(self.expression)
        self._end = Pattern(_END)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield the body of each; all the rest where there are many."""
        for number, (_, first, end) in enumerate(self.blocks(data)):
            if number == MOST_IN_ONE_TEXT:
                yield Region(first, len(data), "shape")
                return
            if first < end:
                yield Region(first, end, "shape")

    def blocks(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Yield where each begins, and where its body begins and ends."""
        resume, ended = 0, True
        while (match := self._begin.search(data, resume)) is not None:
            begin, start = match.span()
            last = self._end.search(data, start) if ended else None
            ended = last is not None
            if data.startswith(_BASE64_OF_DASHES, begin):
                first, end = start, _at(_ENCODED, data, start)
            elif last is None:
                first, end = _at(_BEFORE_BODY, data, start), _unended(data, start)
            else:
                first, end = _between(data, start, last.span()[0])
            yield begin, first, end
            resume = max(start, end)

    def over_lines(self, data: bytes) -> Iterator[tuple[int, int, bool]]:
        """Yield where each begins and ends, and whether it may go on behind ``data``."""
        for begin, _, end in self.blocks(data):
            yield begin, end, _at(_BEFORE_BODY, data, end) == len(data)


def _between(data: bytes, start: int, last: int) -> tuple[int, int]:
    """Return the body without the blanks and line breaks around it."""
    first = min(_at(_BEFORE_BODY, data, start), last)
    blanks = _AFTER_BODY.search(data, max(first, last - _LONGEST_BLANKS), last)
    return first, last if blanks is None else blanks.start()


def _unended(data: bytes, start: int) -> int:
    end = _at(_LINES, data[: start + _LONGEST_BODY], start)
    return len(data) if end == start + _LONGEST_BODY else end


def _at(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = pattern.match(data, start)
    return start if found is None else found.end()
