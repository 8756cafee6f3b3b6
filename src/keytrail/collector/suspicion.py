"""Which spans need more than a glance: the one test that every span has to pass.

Everything that is thorough costs more than a team would pay for every span. So spans are parted:
what this condition does not suspect goes on at once. It may suspect too much, which costs time; it
must not suspect too little. No part of it can fail: what is absent matches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.collector.fingerprinting import OWN, URLS, places
from keytrail.collector.ottl import attribute, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

MASKED: Final = "redaction.masked.count"
"""What the redaction processor leaves where it found something."""

_IN_TEXT: Final = ("=", r"_[0-9A-Za-z]{10,}", "-[0-9A-Za-z_-]{16,}", "AIza", "eyJ", r"SG\.")
"""What a text with a key holds, however it begins. Each is a literal first: found fast."""
_IN_URL: Final = ("=[^&]{9,}", "ey=", "EY=", "oken=", "ig=", "word=")
"""What a query with a key holds: a long value, or a short one behind a name that ends so."""
_IN_WHOLE_URL: Final = (r"_[0-9A-Za-z]{10,}", "-[0-9A-Za-z_-]{16,}", "://[^/]*@", "AIza", "eyJ")

SECRET_NAMES: Final = tuple(
    spelling
    for name in (
        "access_token",
        "api_key",
        "api_token",
        "apikey",
        "auth_token",
        "authorization",
        "client_secret",
        "cookie",
        "password",
        "private_key",
        "secret",
        "secret_key",
        "token",
        "x_api_key",
    )
    for spelling in dict.fromkeys((name, name.replace("_", "-")))
)
"""Attributes that say by their name that they hold a secret. Looking for a name costs next to
nothing, so all that are likely are here."""


def of_audit(headers: Iterable[str]) -> str:
    """Return the condition for a span that is an audit span, or shall become one."""
    known = (semconv.SCHEMA_VERSION, *OWN)
    captured = [place for name in headers for place in places(name)]
    return " or ".join(
        [
            *(f"{attribute(name)} != nil" for name in known),
            *(f"{place} != nil" for place in captured),
            *map(_url, URLS),
        ]
    )


def of_anything(headers: Iterable[str]) -> str:
    """Return the condition for a span that may also hold a key where none belongs."""
    named = (MASKED, *SECRET_NAMES)
    return " or ".join(
        [
            of_audit(headers),
            *(f"{attribute(name)} != nil" for name in named),
            "Len(span.events) > 0",
            _any("span.name", _IN_TEXT),
            *(
                f'({path} != "" and {_any(path, _IN_TEXT)})'
                for path in ("span.status.message", "span.trace_state")
            ),
        ]
    )


def _url(name: str) -> str:
    place = attribute(name)
    tests = _IN_URL if name == "url.query" else (*_IN_URL, *_IN_WHOLE_URL)
    return f"({place} != nil and {_any(place, tests)})"


def _any(path: str, expressions: Iterable[str]) -> str:
    tests = (f"IsMatch({path}, {pattern(expression)})" for expression in expressions)
    return f"({' or '.join(tests)})"
