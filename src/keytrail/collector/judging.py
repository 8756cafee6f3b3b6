"""Whether what was found is a key, and which of several it is told as."""

from __future__ import annotations

from typing import Final

from keytrail import semconv
from keytrail.capture.jwt import LONG_LIVED_SECONDS
from keytrail.collector.credentials import KEY
from keytrail.collector.ottl import attribute, pattern
from keytrail.collector.private import RAW, SLOTS

UNKNOWN: Final = (
    f"{attribute(semconv.KEY_HASH)} == nil "
    "and (span.kind == SPAN_KIND_SERVER or span.kind == SPAN_KIND_CLIENT)"
)
"""The condition for a call that no service under keytrail has told the key of."""
BLANKS: Final = pattern(r"^\s+|\s+$")
_LIST: Final = pattern(r'^\["')
_LINES: Final = pattern(r"[\r\n]")
_TOLD: Final = {
    "type": semconv.KEY_TYPE,
    "location": semconv.KEY_LOCATION,
    "field": semconv.KEY_FIELD,
    "scheme": semconv.KEY_SCHEME,
}


def judge() -> list[str]:
    """Drop what is no key: empty, a list as text, several lines, a user's token."""
    jwt = r"^ey[0-9A-Za-z_-]*\.(?P<claims>[0-9A-Za-z_-]+)\.[0-9A-Za-z_-]*$"
    encrypted = r"^ey[0-9A-Za-z_-]*(?:\.[0-9A-Za-z_-]*){4}$"
    lines = f"{KEY} != nil and IsMatch({KEY}, {_LINES})"
    claims, expires = 'span.cache["claims"]', 'span.cache["claims"]["exp"]'
    return [
        *(f'delete_key(span.cache, "{of_another}")' for of_another in ("claims", "issued")),
        f'replace_pattern({KEY}, {BLANKS}, "") where {KEY} != nil',
        f'delete_key(span.cache, "key") where {KEY} == "" or {KEY} == "{semconv.REDACTED}"',
        f'delete_key(span.cache, "key") where {KEY} != nil and IsMatch({KEY}, {_LIST})',
        f'set({attribute(semconv.CANNOT)}, "lines") where {lines}',
        f'delete_key(span.cache, "key") where {lines}',
        f'set(span.cache["jwt"], ExtractPatterns({KEY}, {pattern(jwt)})) where {KEY} != nil',
        f'set({claims}, ParseJSON(Decode(span.cache["jwt"]["claims"], "base64-raw-url"))) '
        f'where span.cache["jwt"]["claims"] != nil',
        f'set(span.cache["type"], "jwt") where {claims} != nil',
        f'set(span.cache["issued"], Double(UnixSeconds(span.start_time))) where {claims} != nil',
        f'set(span.cache["issued"], {claims}["iat"]) where IsDouble({claims}["iat"])',
        f'delete_key(span.cache, "key") where IsDouble({expires}) '
        f'and {expires} - span.cache["issued"] <= {LONG_LIVED_SECONDS}.0',
        f'delete_key(span.cache, "key") where {KEY} != nil '
        f"and IsMatch({KEY}, {pattern(encrypted)})",
    ]


def take() -> list[str]:
    """Tell the first key of a request; put others, each once, where they get their fingerprints."""
    first = f"{KEY} != nil and {attribute(RAW)} == nil"
    return [
        *(
            f'set({attribute(name)}, span.cache["{told}"]) '
            f'where {first} and span.cache["{told}"] != nil'
            for told, name in _TOLD.items()
        ),
        *(_put(number) for number in range(len(SLOTS))),
    ]


def _put(number: int) -> str:
    """Put the key into one place if it is free, those before it are not, and none has this key."""
    place = attribute(SLOTS[number])
    before = [attribute(slot) for slot in SLOTS[:number]]
    others = [f"{one} != nil and {KEY} != {one}" for one in before]
    return (
        f"set({place}, {KEY}) where {' and '.join([f'{KEY} != nil', f'{place} == nil', *others])}"
    )
