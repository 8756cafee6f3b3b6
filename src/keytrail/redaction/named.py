"""Redaction by name: where a secret name stands in a text, and how far its value goes.

One RE2 search finds the places; what follows each is read in time linear in the text.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keytrail.redaction.names import IN_QUERY, compact
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import REDACTED, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.pattern import Match

_PERCENT: Final = "%(?:25)*"
_BEFORE: Final = (
    r"(?:(?:^|[^a-z0-9_-])-{0,2}"
    rf"|{_PERCENT}[0-9a-f][0-9a-f]"
    r"|\\(?:[abfnrtv0]|x[0-9a-f][0-9a-f]|u[0-9a-f][0-9a-f][0-9a-f][0-9a-f]))"
)
"""What may stand before a name: no part of a longer name, or an escape."""
_INDEX: Final = rf"(?:\[\w*\]|\]|{_PERCENT}5b\w*{_PERCENT}5d|{_PERCENT}5d)?"
_QUOTE: Final = rf"(?:\\*[\"']|{_PERCENT}2[27])"
_ASSIGN: Final = rf"(?:=>|=|:|{_PERCENT}3[ad])"
_FOLLOWS: Final = rf"{_INDEX}(?:{_QUOTE}?[ \t]*{_ASSIGN}|{_QUOTE}[ \t]*,)[ \t]*"
_SCHEMES: Final = "bearer|basic|token|api-?key|ssws|bot"
_GAP: Final = r"(?:[ \t]+|%20|\+)"
_USERINFO: Final = (
    r":(?:\\?/){2}[^\s/?#\"'<>\\]+@"
    rf"|{_PERCENT}3a(?:{_PERCENT}2f){{2}}[^\s/?#&\"'<>\\]+{_PERCENT}40"
)

_NAME, _TAIL, _SCHEME, _TOKEN, _USER = 1, 2, 3, 4, 5

_SIGN: Final = re.compile(rb"=>|[=:,]|%(?:25)*3[ad]", re.IGNORECASE)
_ESCAPED_SEPARATOR: Final = re.compile(rb"%(?:25)*(?:5f|2d)", re.IGNORECASE)
_QUOTE_CHARACTER: Final = re.compile(rb"[\"']|%(?:25)*2[27]")
_DIGIT: Final = re.compile(rb"[0-9]")
_TOKEN_CHARACTERS: Final = re.compile(rb"[A-Za-z0-9._~+/=%-]+")
_OPENING: Final = re.compile(
    rb"""(?P<list>[\[(])?\s*[bBuU]?(?P<quote>\\*["']|%(?:25)*2[27])""",
)
_NEXT_ELEMENT: Final = re.compile(rb"""\s*,\s*[bBuU]?(?P<quote>\\*["'])""")
_STOP: Final = rb"""[#\s"'<>`\x00-\x1f]|\\+["'nrtux]"""
_END_IN_QUERY: Final = re.compile(_STOP + rb"""|&|;(?=\s|$|[\w.%\[\]-]+=)""")
_END_IN_TEXT: Final = re.compile(
    _STOP + rb"""|[&,;](?=[\w.%\[\]-]+=)|[&,;)\]}](?=[\s&,;)\]}"']|$)""",
)
_LINE_BREAK: Final = re.compile(rb"[\r\n\x1f]|\\+[nr]")
_AUTHORITY: Final = re.compile(rb":(?:\\?/){2}|%(?:25)*3a(?:%(?:25)*2f){2}", re.IGNORECASE)
_END_OF_AUTHORITY: Final = re.compile(rb"%(?:25)*(?:2f|3f|23)", re.IGNORECASE)
_AT: Final = re.compile(rb"%(?:25)*40")
_COLON: Final = re.compile(rb":|%(?:25)*3a", re.IGNORECASE)
_ALREADY: Final = re.compile(REDACTED + rb"(?![A-Za-z0-9._~+/=%-])")
_KNOWN_SCHEME: Final = re.compile(
    rb"(?:bearer|basic|token|api-?key|key|negotiate|jwt|ssws|genie ?key|bot)(?:[ \t]+|%20|\+)",
    re.IGNORECASE,
)
_NO_SECRET: Final = frozenset({b"none", b"null", b"true", b"false", b"undefined", REDACTED.lower()})
_LONG: Final = 16
"""So many token characters are taken for a secret where words may stand."""


class NamedValues:
    """Finds the values of secret names, of authorization schemes and of userinfo in URLs."""

    def __init__(self, names: SensitiveNames) -> None:
        self._names = names
        words = "|".join(_spelled(name) for name in (*names.listed, IN_QUERY))
        self._pattern = Pattern(
            f"{_BEFORE}(?:(?:http_)?({words})({_FOLLOWS})"
            rf"|({_SCHEMES}){_GAP}([a-z0-9._~+/=%-]{{8}}))"
            f"|({_USERINFO})"
        )

    def hinted(self, data: bytes) -> bool:
        """Tell whether ``data`` may hold such a value; never wrong when it says no."""
        return self._pattern.search(data) is not None

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every such value that is not redacted yet."""
        match = self._pattern.search(data)
        while match is not None:
            resume = max(match.span(group)[1] for group in (_NAME, _SCHEME, _USER))
            for start, end in self._values(data, match):
                if data[start:end].lower() not in _NO_SECRET and start < end:
                    yield Region(start, end)
                resume = max(resume, end)
            match = self._pattern.search(data, resume)

    def _values(self, data: bytes, match: Match) -> Iterator[tuple[int, int]]:
        if match.span(_NAME)[0] >= 0:
            return self._after_name(data, match)
        if match.span(_SCHEME)[0] >= 0:
            return _after_scheme(data, match)
        return _userinfo(data, *match.span(_USER))

    def _after_name(self, data: bytes, match: Match) -> Iterator[tuple[int, int]]:
        place = _Place.read(data, match)
        if place.name in self._names.only_in_query and not (
            place.in_query and looks_secret(data, place.start)
        ):
            return iter(())
        opening = _OPENING.match(data, place.start)
        if opening:
            return _quoted(data, opening)
        return iter(self._bare(data, place))

    def _bare(self, data: bytes, place: _Place) -> list[tuple[int, int]]:
        """Return the value that no quote encloses, if there is one."""
        start = place.start
        if place.sign == b",":
            return []
        if place.depth or (place.in_query and place.sign == b"=" and not place.spaced):
            return [(start, _end(_end_in_query(place.depth), data, start))]
        if place.name in self._names.authorization:
            return _authorization(data, place)
        if place.name in self._names.cookies and place.sign == b":":
            return [(start, _end_of_line(data, place))]
        if self._might_be_prose(place) and not looks_secret(data, start):
            return []
        if place.sign == b":" and data[start : start + 1] in (b"{", b"[", b"("):
            return []
        return [(start, _end(_END_IN_TEXT, data, start))]

    def _might_be_prose(self, place: _Place) -> bool:
        if place.sign == b":":
            return place.name in self._names.words and not place.quoted
        return place.spaced


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a secret name stands and how its value is attached to it."""

    name: str
    before: bytes
    """The last character before the name, or the escape that stands there."""
    sign: bytes
    """``=``, ``:``, ``=>`` or ``,``; decoded."""
    depth: int
    """How many times the sign is percent-encoded."""
    spaced: bool
    quoted: bool
    start: int
    """Where the value begins."""

    @classmethod
    def read(cls, data: bytes, match: Match) -> _Place:
        name_start, name_end = match.span(_NAME)
        tail = data[name_end : match.span(_TAIL)[1]]
        sign = _SIGN.search(tail)
        assert sign is not None  # noqa: S101 - the pattern that matched holds one
        return cls(
            name=compact(_ESCAPED_SEPARATOR.sub(b"", data[name_start:name_end]).decode("latin-1")),
            before=data[match.span()[0] : name_start],
            sign={b"d": b"=", b"a": b":"}.get(sign[0][-1:].lower(), sign[0]),
            depth=sign[0].count(b"25") + 1 if sign[0][:1] == b"%" else 0,
            spaced=tail[-1:] in (b" ", b"\t") or tail[sign.start() - 1 : sign.start()] == b" ",
            quoted=_QUOTE_CHARACTER.search(tail) is not None,
            start=match.span(_TAIL)[1],
        )

    @property
    def in_query(self) -> bool:
        """Whether the name stands where a parameter does."""
        before = self.before
        return not before or before[:1] == b"%" or before[-1:] in (b"?", b"&", b";", b"#")


def looks_secret(data: bytes, start: int) -> bool:
    """Tell whether a long run of token characters with a digit begins at ``start``."""
    run = _TOKEN_CHARACTERS.match(data, start)
    return run is not None and len(run[0]) >= _LONG and _DIGIT.search(run[0]) is not None


def _quoted(data: bytes, opening: re.Match[bytes]) -> Iterator[tuple[int, int]]:
    """Yield what the quotes enclose: one value, or every element of a list."""
    element: re.Match[bytes] | None = opening
    while element is not None:
        start, quote = element.end(), element["quote"]
        end = _closing(data, start, quote)
        yield start, end
        element = _NEXT_ELEMENT.match(data, end + len(quote)) if opening["list"] else None


def _closing(data: bytes, start: int, quote: bytes) -> int:
    """Return where ``quote`` closes again: inner quotes are escaped more often than it is."""
    if quote[:1] == b"%":
        end = data.find(quote, start)
        return len(data) if end < 0 else end
    at = data.find(quote[-1:], start)
    while at >= 0:
        escapes = at - len(data[start:at].rstrip(b"\\")) - start
        if escapes < len(quote) or (len(quote) == 1 and escapes % 2 == 0):
            return at - min(escapes, len(quote) - 1)
        at = data.find(quote[-1:], at + 1)
    return len(data)


def _authorization(data: bytes, place: _Place) -> list[tuple[int, int]]:
    start = place.start
    if _ALREADY.match(data, start):
        return []
    scheme = _KNOWN_SCHEME.match(data, start)
    if scheme:
        return [(start, _end(_END_IN_TEXT, data, scheme.end()))]
    return [(start, _end_of_line(data, place))]


def _end_of_line(data: bytes, place: _Place) -> int:
    """Return the end of a header line, or of the quotes that enclose it."""
    end = _end(_LINE_BREAK, data, place.start)
    quote = place.before[-1:]
    if quote in (b'"', b"'"):
        closing = data.find(quote, place.start, end)
        if closing >= 0:
            return len(data[:closing].rstrip(b"\\"))
    return end


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = pattern.search(data, start)
    return len(data) if found is None else found.start()


@lru_cache(maxsize=16)
def _end_in_query(depth: int) -> re.Pattern[bytes]:
    """Return what ends a value in a query string that is percent-encoded ``depth`` times."""
    if not depth:
        return _END_IN_QUERY
    encoded = rb"%%(?:25){0,%d}(?:0[ad]|2[02367c]|3[bce])" % (min(depth, 8) - 1)
    return re.compile(encoded + rb"|" + _END_IN_QUERY.pattern, re.IGNORECASE)


def _after_scheme(data: bytes, match: Match) -> Iterator[tuple[int, int]]:
    start = match.span(_TOKEN)[0]
    run = _TOKEN_CHARACTERS.match(data, start)
    if run is None:
        return
    scheme = data[slice(*match.span(_SCHEME))].lower()
    if scheme == b"basic":
        secret = _is_basic(run[0])
    elif scheme == b"bearer":
        secret = _DIGIT.search(run[0]) is not None
    else:
        secret = looks_secret(data, start)
    if secret:
        yield start, run.end()


def _is_basic(token: bytes) -> bool:
    token = token.rstrip(b".=")
    try:
        return b":" in base64.b64decode(token + b"=" * (-len(token) % 4), validate=True)
    except ValueError:
        return looks_secret(token, 0)


def _userinfo(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield user name and password; a user name alone only where it looks like a secret."""
    found = _AUTHORITY.match(data, start)
    if found is None:
        return
    begin = found.end()
    host = _AT.search(data, begin) if data[start : start + 1] == b"%" else None
    stop = host.start() if host else data.rfind(b"@", begin, end)
    if host and _END_OF_AUTHORITY.search(data, begin, stop):
        return
    colon = _COLON.search(data, begin, stop)
    if colon:
        yield begin, colon.start()
        yield colon.end(), stop
    elif looks_secret(data, begin):
        yield begin, stop


def _spelled(name: str) -> str:
    """Return an expression for ``name`` with any separator, or none, between its words."""
    words = [re.escape(word) for word in re.split(r"[-_. ]+", name.lower()) if word]
    return rf"(?:[-_.]|{_PERCENT}(?:5f|2d))?".join(words)
