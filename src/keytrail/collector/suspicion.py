"""Which spans need more than a glance: the one test that every span has to pass.

Everything that is thorough costs more than a team would pay for every span. So spans are parted:
what this test does not suspect goes on at once. It may suspect too much, which costs time; it must
not suspect too little. No part of it can fail: what is absent matches nothing.

Asking the routing connector for an attribute costs 35 ns, for a pattern in a text 150 ns. So two
processors before it do what they do faster, and mark what they suspect: the redaction processor
looks a span's own attributes up in a table of names, and the attributes processor remembers which
names of spans it has searched, since those repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.capture import known_names
from keytrail.collector.ottl import attribute, dollars, pattern
from keytrail.collector.picking import captured_names
from keytrail.collector.private import OWN
from keytrail.collector.urls import URLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MASKED: Final = "redaction.masked.count"
"""What the redaction processor leaves where it found something."""
NAMED: Final = "redaction.ignored.count"
"""What it leaves where it passed over an attribute because of its name: our mark of suspicion."""

_TOKENS: Final = (
    r"_[0-9A-Za-z]{10,}",
    "-[0-9A-Za-z_-]{16,}",
    "AIza[0-9A-Za-z_-]{20,}",
    "eyJ[0-9A-Za-z_-]{10,}",
    r"SG\.[0-9A-Za-z_-]{16,}",
)
"""How the keys of known shapes look. Each begins with a literal, and a text that is too short for
one is not searched at all: found fast."""
_IN_TEXT: Final = ("[=]", *_TOKENS)
"""What a text with a key holds, however it begins. In brackets, since ``=`` alone is a type to some
readers of YAML."""
_IN_URL: Final = ("=[^&]{9,}", "ey=", "EY=", "oken=", "ig=", "word=")
"""What a query with a key holds: a long value, or a short one behind a name that ends so."""
_IN_WHOLE_URL: Final = ("://[^/]*@", *_TOKENS)
_REMEMBERED: Final = 4096
"""Names of spans; a service should not have as many."""

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
"""Attributes that say by their name that they hold a secret. One more costs nothing."""


def by_name(names: Iterable[str]) -> dict[str, Any]:
    """Return the redaction processor that changes nothing, but counts attributes of these names."""
    return {"allow_all_keys": True, "summary": "info", "ignored_keys": list(names)}


def by_span_name() -> dict[str, Any]:
    """Return the attributes processor that marks spans whose name may hold a key."""
    return {
        "include": {
            "match_type": "regexp",
            "regexp": {"cacheenabled": True, "cachemaxnumentries": _REMEMBERED},
            "span_names": [dollars(expression) for expression in _IN_TEXT],
        },
        "actions": [{"key": NAMED, "value": 1, "action": "upsert"}],
    }


def names_of_audit(headers: Iterable[str]) -> list[str]:
    """Return the names of attributes that an audit span has, or that make one of a span."""
    captured = [name for header in headers for name in captured_names(header)]
    return [semconv.SCHEMA_VERSION, *OWN, *captured]


def names_of_anything(headers: Sequence[str]) -> list[str]:
    """Return these, and the names of attributes that hold a secret by what they are called."""
    others = sorted((known_names.HEADERS | known_names.SECRET_HEADERS) - set(headers))
    captured = [name for header in others for name in captured_names(header)]
    return [*names_of_audit(headers), *SECRET_NAMES, *captured]


def of_audit() -> str:
    """Return the condition for a span that is an audit span, or shall become one."""
    return " or ".join([f"{attribute(NAMED)} != nil", *map(_url, URLS)])


def of_anything() -> str:
    """Return the condition for a span that may also hold a key where none belongs."""
    return " or ".join(
        [
            of_audit(),
            "Len(span.events) > 0",
            *(
                f'({path} != "" and {_any(path, _IN_TEXT)})'
                for path in ("span.status.message", "span.trace_state")
            ),
        ]
    )


def of_the_glance() -> str:
    """Return the condition for a span in which the glance redacted something."""
    return f"{attribute(MASKED)} != nil"


def _url(name: str) -> str:
    place = attribute(name)
    tests = _IN_URL if name == "url.query" else (*_IN_URL, *_IN_WHOLE_URL)
    return f"({place} != nil and {_any(place, tests)})"


def _any(path: str, expressions: Iterable[str]) -> str:
    tests = (f"IsMatch({path}, {pattern(expression)})" for expression in expressions)
    return f"({' or '.join(tests)})"
