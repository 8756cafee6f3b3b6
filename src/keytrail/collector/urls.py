"""Keys in URLs: in the query, before the host; picked, and redacted where they stood."""

from __future__ import annotations

import re
from typing import Final

from keytrail import semconv
from keytrail.capture import known_names
from keytrail.capture.findings import KEY_IN_URL, USERINFO, in_order
from keytrail.collector.credentials import KEY, any_of
from keytrail.collector.judging import UNKNOWN, judge, take
from keytrail.collector.ottl import Group, attribute, pattern, text

URLS: Final = ("url.query", "url.full", "http.url", "http.target")
"""Where conventions, old and new, have the query."""
_WHOLE: Final = ("url.full", "http.url")

_OTHER_SECRETS: Final = (
    "client_secret",
    "csrf_token",
    "id_token",
    "password",
    "passwd",
    "refresh_token",
    "secret",
    "secret_key",
    "session_token",
)


def in_queries() -> list[Group]:
    """Return the groups that pick keys out of queries: as ``capture.extraction`` reads one."""
    there = [f"({attribute(name)} != nil and ({_may_hold_key(attribute(name))}))" for name in URLS]
    joined = ", ".join(attribute(name) for name in URLS)
    return [
        Group(
            "span",
            [
                f'set({_TEXT}, Concat([{joined}], "&")) where {UNKNOWN}',
                *(line for kind, found in _parameters() for line in _parameter(kind, found)),
            ],
            [" or ".join(there)],
        ),
        *(
            Group(
                "span",
                [
                    f"replace_pattern({attribute(name)}, {pattern(_secret_parameters())}, "
                    f'"$${{1}}$${{2}}{semconv.REDACTED}")'
                ],
                [condition],
            )
            for name, condition in zip(URLS, there, strict=True)
        ),
    ]


def before_hosts() -> list[Group]:
    """Return the groups that pick keys out of what stands before the host of a URL."""
    return [_userinfo(name) for name in _WHOLE]


_TEXT: Final = 'span.cache["text"]'
_SEPARATOR: Final = r"(?:^|[?&])"
_KEYS_BY_NAME: Final = 3
"""Of the parameters that are keys by their name alone so many are told."""


def _parameters() -> list[tuple[str, str]]:
    """Return the type of a key and how to find its parameter, the surest first."""
    names = _query_names()
    by_name = [
        rf"(?is){_SEPARATOR}(?:(?:{names})=.*?&){{{before}}}(?P<field>{names})=(?P<key>[^&#]+)"
        for before in range(_KEYS_BY_NAME)
    ]
    doubtful = (
        rf"(?i){_SEPARATOR}(?P<field>{any_of(known_names.AMBIGUOUS_QUERY)})="
        r"(?P<key>[A-Za-z0-9_.~+/=%-]{16,})(?:[&#]|$)"
    )
    signed = rf"(?i){_SEPARATOR}(?P<field>{any_of(known_names.SIGNED_QUERY_IDS)})=(?P<key>[^&#]+)"
    return [
        *(("opaque", expression) for expression in by_name),
        ("opaque", doubtful),
        ("signed_url", signed),
    ]


def _parameter(kind: str, expression: str) -> list[str]:
    found = 'span.cache["found"]'
    return [
        'delete_key(span.cache, "key")',
        f"set({found}, ExtractPatterns({_TEXT}, {pattern(expression)})) where {_TEXT} != nil",
        f'set({KEY}, {found}["key"]) where {found}["key"] != nil',
        f'set(span.cache["field"], ToLowerCase({found}["field"])) where {KEY} != nil',
        f'replace_pattern(span.cache["field"], "%5f", "_") where {KEY} != nil',
        f'replace_pattern(span.cache["field"], "%2d", "-") where {KEY} != nil',
        f'set(span.cache["type"], {text(kind)}) where {KEY} != nil',
        f'set(span.cache["location"], "query") where {KEY} != nil',
        *_decode_percent(),
        *([f'replace_pattern({KEY}, "/.*", "")'] if kind == "signed_url" else []),
        *judge(),
        *take(),
        *_finding(KEY_IN_URL),
    ]


def _userinfo(name: str) -> Group:
    place = attribute(name)
    found = 'span.cache["found"]'
    expression = r"^[A-Za-z][0-9A-Za-z+.-]*://(?P<user>[^/?#@:]*):?(?P<password>[^/?#@]*)@"
    return Group(
        "span",
        [
            f"set({found}, ExtractPatterns({place}, {pattern(expression)})) where {UNKNOWN}",
            f'set({KEY}, {found}["user"]) where {found}["password"] == ""',
            f'set({KEY}, {found}["password"]) where {found}["password"] != nil '
            f'and {found}["password"] != ""',
            f'set(span.cache["type"], "basic") where {KEY} != nil',
            f'set(span.cache["location"], "userinfo") where {KEY} != nil',
            f'set(span.cache["field"], "userinfo") where {KEY} != nil',
            *_decode_percent(),
            *judge(),
            *take(),
            *_finding(USERINFO),
            f'replace_pattern({place}, {pattern("://[^/?#@]*@")}, "://{semconv.REDACTED}@")',
        ],
        [f'{place} != nil and IsMatch({place}, "@")'],
    )


def _decode_percent() -> list[str]:
    """The language has no function for it, but the path of a URL is decoded; a plus stays."""
    path = f'URL(Concat(["http://h/", {KEY}], ""))["url.path"]'
    escaped = f'{KEY} != nil and IsMatch({KEY}, "%[0-9A-Fa-f]{{2}}")'
    return [
        f'replace_pattern({KEY}, "[?]", "%3F") where {escaped}',
        f"set({KEY}, Substring({path}, 1, Len({path}) - 1)) where {escaped}",
    ]


def _finding(finding: str) -> list[str]:
    """Tell it beside the other one of this module, the graver first."""
    listed, gravest = attribute(semconv.FINDINGS), attribute(semconv.FINDING)
    both = ", ".join(map(text, in_order({KEY_IN_URL, USERINFO})))
    return [
        f"set({listed}, [{both}]) where {KEY} != nil and {gravest} != nil "
        f"and {gravest} != {text(finding)}",
        f"set({listed}, [{text(finding)}]) where {KEY} != nil and {gravest} == nil",
        f"set({gravest}, {listed}[0]) where {KEY} != nil",
    ]


def _may_hold_key(place: str) -> str:
    """A test without an alternation in a pattern: each literal is searched for fast."""
    endings = ("key=", "token=", "sig=", "ignature=", "secret=", "password=", "redential=", "id=")
    spelled = [
        spelling
        for ending in endings
        for spelling in dict.fromkeys((ending, ending.capitalize(), ending.upper()))
    ]
    return " or ".join(f"IsMatch({place}, {text(spelling)})" for spelling in spelled)


def _secret_parameters() -> str:
    """Match name, equals sign and value of what must not stay in a URL; the name is group 1."""
    named = sorted(known_names.SIGNED_QUERY_SECRETS | known_names.SIGNED_QUERY_IDS)
    spelled = "|".join([_query_names(), any_of(named), any_of(_OTHER_SECRETS)])
    return (
        rf"(?i)((?:^|[?&#;])(?:{spelled})=)[^&#]+"
        rf"|((?:^|[?&#;])(?:{any_of(known_names.AMBIGUOUS_QUERY)})=)[^&#]{{16,}}"
    )


def _query_names() -> str:
    """The names of parameters, with what separates their words raw or percent-encoded."""
    names = sorted(known_names.QUERY - known_names.AMBIGUOUS_QUERY)
    spelled = (re.sub(r"[-_]", "(?:[-_]|%5F|%2D)", name) for name in names)
    return "|".join(dict.fromkeys(spelled))
