"""Redaction by name: where a secret name stands in a text, and what its value is.

One RE2 search finds the places; what follows each is then read in time linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keytrail.redaction import beyond, credentials, reach
from keytrail.redaction.names import IN_QUERY, compact
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import LONG_TEXT, MOST_IN_ONE_TEXT, REDACTED, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.pattern import Match

_PERCENT: Final = "%(?:25)*"
_BEFORE: Final = (
    r"(?:(?:^|[^a-z0-9_-])-{0,2}"
    rf"|{_PERCENT}[0-9a-f][0-9a-f]"
    rf"|(?:\\|{_PERCENT}5c)(?:[abfnrtv0]|x[0-9a-f][0-9a-f]|u[0-9a-f][0-9a-f][0-9a-f][0-9a-f]))"
)
"""What may stand before a name: no part of a longer name, or an escape."""
_INDEX: Final = rf"(?:\[\w*\]|\]|{_PERCENT}5b\w*{_PERCENT}5d|{_PERCENT}5d)?"
_QUOTE: Final = r"\\*[\"'`]"
_FOLLOWS_PLAINLY: Final = rf"(?:(?:{_QUOTE})?[ \t]*(?:=>|=|:)|{_QUOTE}[ \t]*,)[ \t]*"
_ENCODED_QUOTE: Final = rf"(?:{_PERCENT}5c)*{_PERCENT}(?:2[27]|60)"
_ENCODED_BLANKS: Final = rf"(?:\+|{_PERCENT}20)*"
_FOLLOWS_ENCODED: Final = (
    rf"(?:(?:{_ENCODED_QUOTE})?{_ENCODED_BLANKS}{_PERCENT}3[ad](?:{_PERCENT}3e)?"
    rf"|{_ENCODED_QUOTE}{_ENCODED_BLANKS}{_PERCENT}2c){_ENCODED_BLANKS}"
)
_FOLLOWS: Final = rf"{_INDEX}(?:{_FOLLOWS_PLAINLY}|{_FOLLOWS_ENCODED})"
_SCHEMES: Final = "bearer|basic|dpop|token|api-?key|genie-?key|ssws|bot"
_GAP: Final = rf"(?:[ \t]+|(?:{_PERCENT}20)+|\+)"
_USERINFO: Final = (
    r":(?:\\?/){2}[^\s/?#\"'<>\\]+@"
    rf"|{_PERCENT}3a(?:{_PERCENT}2f){{2}}[^\s/?#&\"'<>\\]+{_PERCENT}40"
)
_REFUSED: Final = r"(header value:?[ \t]+)b?\\*[\"']"
"""How HTTP clients say which header they refuse to send: its value, and not its name."""

_NAME, _TAIL, _SCHEME, _TOKEN, _USER, _VALUE = 1, 2, 3, 4, 5, 6

_SIGN: Final = re.compile(rb"=>|[=:,]|%(?:25)*(?:3[ad]|2c)", re.IGNORECASE)
_DECODED_SIGN: Final = {b"d": b"=", b"a": b":", b"c": b","}
_ESCAPED_SEPARATOR: Final = re.compile(rb"%(?:25)*(?:5f|2d)", re.IGNORECASE)
_QUOTE_CHARACTER: Final = re.compile(rb"[\"'`]|%(?:25)*(?:2[27]|60)")
_ALREADY: Final = re.compile(REDACTED + rb"(?![A-Za-z0-9._~+/=-])")
_KNOWN_SCHEME: Final = re.compile(
    rb"(?:bearer|basic|token|api-?key|key|negotiate|jwt|dpop|ssws|genie-?key|bot)(?:[ \t]+|\+)",
    re.IGNORECASE,
)
_ENCODED_SCHEME: Final = re.compile(
    rb"(?:%(?:25)*5b)?[a-z][a-z0-9-]*(?:\+|(?:%(?:25)*20)+)", re.IGNORECASE
)
_NO_SECRET: Final = frozenset({b"none", b"null", b"true", b"false", b"undefined", REDACTED.lower()})
_LONGEST_PLACE: Final = 4 * 1024
"""Bytes of a name and what is around it, or of a userinfo; where it is longer all the rest goes."""
_MOST_VALUES: Final = 2 * MOST_IN_ONE_TEXT
"""A userinfo holds two of them, a list any number."""


class NamedValues:
    """Finds the values of secret names, of authorization schemes and of userinfo in URLs."""

    def __init__(self, names: SensitiveNames) -> None:
        self._names = names
        words = "|".join(_spelled(name) for name in (*names.listed, IN_QUERY))
        self.expression = (
            f"{_BEFORE}(?:(?:http_)?({words})({_FOLLOWS})"
            rf"|({_SCHEMES}){_GAP}([a-z0-9._~+/=%-]{{8}}))"
            f"|({_USERINFO})|{_REFUSED}"
        )
        """What is searched for, in any case, to tell whether a text may hold such a value."""
        self._pattern = Pattern(self.expression, ignore_case=True, groups=True)
        self._extent = Pattern(self.expression, ignore_case=True)

    def regions(self, data: bytes) -> Iterator[Region]:
        """Yield every such value that is not redacted yet; all the rest where there are many."""
        resume = found = 0
        for _ in range(MOST_IN_ONE_TEXT):
            match = self._next(data, resume)
            if match is None:
                return
            begin, end = match.span()
            if end - begin > _LONGEST_PLACE:
                resume = begin
                break
            resume, values = self._values(data, match)
            for start, end in values:
                if found == _MOST_VALUES:
                    yield Region(start, len(data))
                    return
                found += 1
                if data[start:end].lower() not in _NO_SECRET and start < end:
                    yield Region(start, end)
                resume = max(resume, end)
        yield Region(resume, len(data))

    def over_lines(self, data: bytes) -> Iterator[tuple[int, int, bool]]:
        """Yield from where to where a name and its value take several lines.

        And whether the value may go on behind ``data``.
        """
        resume = 0
        while (match := self._next(data, resume)) is not None:
            begin, resume = match.span()
            name, _ = match.span(_NAME)
            if name < 0:
                continue
            start = match.span(_TAIL)[1]
            end = max([start, *(end for _, end in self._after_name(data, match))])
            goes_on = beyond.is_open(data, name, start, end)
            end = beyond.told_until(data, start, end)
            if goes_on or b"\n" in data[begin:end]:
                yield begin, end, goes_on
            resume = max(resume, end)

    def _next(self, data: bytes, resume: int) -> Match | None:
        """Return the next place, without groups where reading them would take long."""
        if len(data) <= LONG_TEXT:
            return self._pattern.search(data, resume)
        extent = self._extent.search(data, resume)
        if extent is None or extent.span()[1] - extent.span()[0] > _LONGEST_PLACE:
            return extent
        return self._pattern.search(data, extent.span()[0])

    def _values(self, data: bytes, match: Match) -> tuple[int, Iterator[tuple[int, int]]]:
        """Return where what tells of a secret ends, and the values that it tells of."""
        start, end = match.span(_NAME)
        if start >= 0:
            return end, self._after_name(data, match)
        start, end = match.span(_SCHEME)
        if start >= 0:
            scheme = data[start:end].lower()
            return end, credentials.after_scheme(data, scheme, match.span(_TOKEN)[0])
        start, end = match.span(_VALUE)
        if start >= 0:
            quoted = reach.opening(data, end, 0)
            return end, iter(()) if quoted is None else reach.in_quotes(data, quoted)
        start, end = match.span(_USER)
        return end, credentials.userinfo(data, start, end)

    def _after_name(self, data: bytes, match: Match) -> Iterator[tuple[int, int]]:
        place = _Place.read(data, match)
        if place.name in self._names.only_in_query and not (
            place.in_query and reach.is_long(reach.token(data, place.start))
        ):
            return iter(())
        name = match.span(_NAME)[0]
        lines = None if place.depth else beyond.block(data, name, place.start)
        if lines is not None:
            return iter([lines])
        opening = reach.opening(data, place.start, place.depth)
        if opening:
            return reach.in_quotes(data, opening)
        return beyond.continued(data, name, self._bare(data, place))

    def _bare(self, data: bytes, place: _Place) -> list[tuple[int, int]]:
        """Return the value that no quote encloses, if there is one."""
        start = place.start
        if place.sign == b",":
            return []
        if place.depth and place.name in self._names.authorization:
            if _ALREADY.match(data, start):
                return []
            scheme = _ENCODED_SCHEME.match(data, start)
            return [(start, reach.in_query(data, scheme.end() if scheme else start, place.depth))]
        if place.depth or (place.in_query and place.sign == b"=" and not place.spaced):
            return [(start, reach.in_query(data, start, place.depth))]
        if place.name in self._names.authorization:
            return _authorization(data, place)
        if place.name in self._names.cookies and place.sign == b":":
            return [(start, reach.in_line(data, start, place.before))]
        if self._might_be_prose(place) and not reach.looks_secret(reach.token(data, start)):
            return []
        if place.sign == b":" and data[start : start + 1] in (b"{", b"[", b"("):
            return []
        return [(start, reach.in_text(data, start))]

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
            sign=_DECODED_SIGN.get(sign[0][-1:].lower(), sign[0]),
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


def _authorization(data: bytes, place: _Place) -> list[tuple[int, int]]:
    """Return the scheme and what follows it: one token, or the whole line for other schemes."""
    start = place.start
    if _ALREADY.match(data, start):
        return []
    scheme = _KNOWN_SCHEME.match(data, start)
    if scheme:
        return [(start, reach.in_text(data, scheme.end()))]
    return [(start, reach.in_line(data, start, place.before))]


def _spelled(name: str) -> str:
    """Return an expression for ``name`` with any separator, or none, between its words."""
    words = [re.escape(word) for word in re.split(r"[-_. ]+", name.lower()) if word]
    return rf"(?:[-_.]|{_PERCENT}(?:5f|2d))?".join(words)
