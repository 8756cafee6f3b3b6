"""How far the value of a secret name goes: to its closing quote, separator or end of line.

Every function reads forward once, in time linear in the text, whatever a caller sends.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keytrail.redaction import beyond

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = (
    rb"(?:[bB][rR]?|[rR](?:[bBfF]|(?:#|%(?:25)*23){1,3})?|[fF][rR]?|[uU]8?|[LNEX]"
    rb"|(?:[@$]|%(?:25)*(?:40|24)){1,2})?"
)
"""What languages put before a quote to say how it is to be read."""
_QUOTE: Final = rb"""(?P<quote>\\*["'`]|(?:%(?:25)*5[cC])*%(?:25)*(?:2[27]|60))"""
_BLANKS: Final = rb"(?:[ \t+]+|\\+t|%(?:25)*(?:09|20|2[bB]))*"
"""Between two parts of a value; a plus joins them."""
_SPACES: Final = rb"(?:[\s+]+|\\+[nrt]|%(?:25)*(?:0[9aAdD]|20|2[bB]))*"
_OPENING: Final = re.compile(
    rb"(?:(?P<list>[\[(]|%(?:25)*(?:5[bB]|28))" + _SPACES + rb")?\s*" + _PREFIX + _QUOTE
)
_NEXT: Final = re.compile(_PREFIX + _QUOTE)
_TO_PART: Final = re.compile(_BLANKS)
_TO_ELEMENT: Final = re.compile(_SPACES + rb"(?:(?:,|%(?:25)*2[cC])" + _SPACES + rb")?")
_NAMES_ANOTHER: Final = re.compile(rb"[ \t]*(?:=>|[=:])")
_WORD: Final = re.compile(rb"[A-Za-z0-9_.~+/-]")
_STOP: Final = rb"""[#\s"'<>`\x00-\x1f]|\\["'nrtux]"""
_END_IN_QUERY: Final = re.compile(_STOP + rb"""|&|;(?=\s|$|[\w.%\[\]-]+=)|[,)](?=\s)""")
_END_IN_TEXT: Final = re.compile(
    _STOP + rb"""|[&,;](?=[\w.%\[\]-]+=)|[&,;)\]}](?=[\s&,;)\]}"']|$)""",
)
_LINE_BREAK: Final = re.compile(rb"[\r\n\x1f]|\\[nr]")
_DIGIT: Final = re.compile(rb"[0-9]")
_TOKEN_CHARACTERS: Final = re.compile(rb"[A-Za-z0-9._~+/=%-]+")
_PEM: Final = b"-----BEGIN "
_LONG: Final = 16
_MOST_ENCODED: Final = 8
_FEW_ESCAPES: Final = 64
_MOST_ESCAPES: Final = 4095
"""Odd, so that a quote behind more of them closes nothing."""
_MOST_INNER_QUOTES: Final = 4096
"""So many are passed before a value counts as endless."""


def token(data: bytes, start: int) -> bytes:
    """Return the run of token characters that begins at ``start``."""
    run = _TOKEN_CHARACTERS.match(data, start)
    return b"" if run is None else run[0]


def has_digit(run: bytes) -> bool:
    """Tell whether a run of token characters holds a digit, as few words do."""
    return _DIGIT.search(run) is not None


def is_long(run: bytes) -> bool:
    """Tell whether a run of token characters is longer than most words."""
    return len(run) >= _LONG


def looks_secret(run: bytes) -> bool:
    """Tell a secret from a word, where either may stand."""
    return is_long(run) and has_digit(run)


def opening(data: bytes, start: int, depth: int) -> re.Match[bytes] | None:
    """Return the quote that opens at ``start``; one that is encoded deeper is part of a value."""
    found = _OPENING.match(data, start)
    if found is None:
        return None
    encoded = found["quote"].rpartition(b"%")
    return found if not encoded[1] or encoded[2].count(b"25") < depth else None


def in_quotes(data: bytes, first: re.Match[bytes]) -> Iterator[tuple[int, int]]:
    """Yield what the quotes enclose: one value in all its parts, or every element of a list."""
    element: re.Match[bytes] | None = first
    stop = -1
    while element is not None:
        quote, start = _delimiter(data, element)
        stop = stop if start <= stop else _line_end(data, start, quote)
        end = _closing(data, start, quote, stop)
        yield start, end
        after = end + len(quote)
        if first["list"]:
            element = _NEXT.match(data, _run_end(_TO_ELEMENT, data, after))
        else:
            element = _next_part(data, after, element["quote"], stop)


def _delimiter(data: bytes, element: re.Match[bytes]) -> tuple[bytes, int]:
    """Return what closes the value, and where it begins: quotes may be doubled or tripled."""
    quote, start = element["quote"], element.end()
    if data.startswith(quote * 2, start):
        return quote * 3, start + 2 * len(quote)
    inside = start + len(quote)
    if data.startswith(quote, start) and _WORD.match(data, inside):
        return quote, inside
    return quote, start


def _next_part(data: bytes, after: int, quote: bytes, stop: int) -> re.Match[bytes] | None:
    """Return the quote that opens where the value goes on: ``"a" "b"``, ``"a" + "b"``, ``''"b"``.

    Another quote is more likely the one that closes what stands around all this.
    """
    part = _NEXT.match(data, _run_end(_TO_PART, data, after))
    if part is None:
        return None
    if part["quote"] != quote:
        return part if part.start("quote") == after and _WORD.match(data, part.end()) else None
    end = _closing(data, part.end(), quote, stop) if part.end() < stop else part.end()
    return None if _NAMES_ANOTHER.match(data, end + len(quote)) else part


def in_query(data: bytes, start: int, depth: int) -> int:
    """Return where a parameter's value ends, percent-encoded ``depth`` times as a whole."""
    return _end(_end_in_query(min(depth, _MOST_ENCODED)), data, start)


def in_text(data: bytes, start: int) -> int:
    """Return where a bare value ends: at a blank, a quote, or a bracket or comma that ends it."""
    return _end(_END_IN_TEXT, data, start)


def in_line(data: bytes, start: int, before: bytes) -> int:
    """Return the end of the line, or of the quotes that open right before the header's name."""
    closing = data.find(before[-1:], start) if before[-1:] in (b'"', b"'") else -1
    end = len(data) if closing < 0 else closing - _escapes(data, start, closing)
    line_break = _LINE_BREAK.search(data, start, end)
    return end if line_break is None else line_break.start()


def _closing(data: bytes, start: int, quote: bytes, stop: int) -> int:
    """Return where ``quote`` closes again: inner quotes are escaped more often than it is."""
    if quote[:1] == b"%" or _is_tripled(quote):
        end = data.find(quote, start)
        return len(data) if end < 0 else end
    at = data.find(quote[-1:], start, stop)
    for _ in range(_MOST_INNER_QUOTES if len(quote) <= _MOST_ESCAPES else 0):
        if at < 0:
            return stop
        escapes = _escapes(data, start, at)
        if escapes < len(quote) or (len(quote) == 1 and escapes % 2 == 0):
            return at - min(escapes, len(quote) - 1)
        at = data.find(quote[-1:], at + 1, stop)
    return len(data)


def _run_end(run: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = run.match(data, start)
    return start if found is None else found.end()


def _is_tripled(quote: bytes) -> bool:
    third, rest = divmod(len(quote), 3)
    return not rest and third > 0 and quote == quote[:third] * 3


def _line_end(data: bytes, start: int, quote: bytes) -> int:
    """Return where the line ends, or the text where the quotes may enclose many lines."""
    many = (
        data.startswith(_PEM, start)
        or (quote[-1:] == b"`" and data.find(quote, start) >= 0)
        or beyond.closing(data, start, quote) >= 0
    )
    end = -1 if many else data.find(b"\n", start)
    if end < 0:
        return len(data)
    return end - 1 if end > start and data[end - 1] == ord("\r") else end


def _escapes(data: bytes, start: int, at: int) -> int:
    """Return how many backslashes stand right before ``at``, but no more than are looked at."""
    for reach in (_FEW_ESCAPES, _MOST_ESCAPES):
        before = data[max(start, at - reach) : at]
        escapes = len(before) - len(before.rstrip(b"\\"))
        if escapes < reach:
            break
    return escapes


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = pattern.search(data, start)
    return len(data) if found is None else found.start()


@lru_cache(maxsize=_MOST_ENCODED + 1)
def _end_in_query(depth: int) -> re.Pattern[bytes]:
    if not depth:
        return _END_IN_QUERY
    encoded = rb"%%(?:25){0,%d}(?:0[ad]|2[02367c]|3[bce]|5c(?=[nrtux%%]))" % (depth - 1)
    return re.compile(encoded + rb"|" + _END_IN_QUERY.pattern, re.IGNORECASE)
