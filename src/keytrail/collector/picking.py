"""Keys that services in other languages captured, picked out of what they captured them in.

Picking, fingerprinting and telling are three steps, since the Collector's language has no HMAC and
its redaction processor can't choose: a transform picks the value into a private attribute, a
redaction processor replaces what stands there by its HMAC, a transform moves that to its place. See
``keytrail.capture`` for what it must equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.capture import known_names
from keytrail.collector import credentials, issuers, urls
from keytrail.collector.credentials import KEY, VALUE
from keytrail.collector.judging import BLANKS, UNKNOWN, judge, take
from keytrail.collector.ottl import Group, attribute, delete, pattern, text
from keytrail.collector.private import (
    HASHES,
    NOT_A_HASH,
    OWN,
    PEPPER_ID,
    PREVIOUS,
    PUBLIC_ID,
    RAW,
    SLOTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADERS: Final = (
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "private-token",
)
"""The key headers that are looked for on every span, in the order in which they are believed."""
_METADATA: Final = ("authorization", "x-api-key")
"""The headers that gRPC's clients use."""
_VALUES: Final = 2
"""So many values of one header are told."""
_PEPPER_ID: Final = pattern(r"^[0-9a-f]{8}$")
_PUBLIC: Final = pattern(r"^(?:A3T[0-9A-Z]|AKIA|ASIA|ABIA|ACCA|LTAI|STS\.)[0-9A-Za-z]{12,}$")


def pick(headers: Iterable[str] = HEADERS) -> list[Group]:
    """Return the groups that pick up to five keys, and remove each where it stood."""
    return [
        *_private_names(),
        _hashes_from_outside(),
        *(group for name in headers for group in _header(name)),
        *urls.in_queries(),
        *urls.before_hosts(),
        issuers.provider(),
        _ready(),
    ]


def captured_names(header: str) -> list[str]:
    """Return the attributes that may hold a captured header, in conventions old and new."""
    spellings = dict.fromkeys((header, header.replace("-", "_")))
    names = [f"http.request.header.{spelling}" for spelling in spellings]
    return [*names, f"rpc.grpc.request.metadata.{header}"] if header in _METADATA else names


def _private_names() -> list[Group]:
    """Whoever could set them would have us hash what they like."""
    ours = (*SLOTS, PEPPER_ID, PREVIOUS, PUBLIC_ID, NOT_A_HASH)
    return [
        Group("span", [delete(name) for name in ours]),
        Group("span", [delete(semconv.CANNOT)], [f"{attribute(semconv.SCHEMA_VERSION)} == nil"]),
    ]


def _hashes_from_outside() -> Group:
    one_or_list = r'^(?:[0-9a-f]{64}|\["[0-9a-f]{64}"(?:,"[0-9a-f]{64}")*\])$'
    statements = []
    for name in HASHES:
        wrong = (
            f"{attribute(name)} != nil and "
            f"not IsMatch(String({attribute(name)}), {pattern(one_or_list)})"
        )
        statements += [
            f"set({attribute(NOT_A_HASH)}, 1) where {wrong}",
            f"delete_key(span.attributes, {text(name)}) where {wrong}",
        ]
    pepper_id = attribute(semconv.KEY_PEPPER_ID)
    key_id = attribute(semconv.KEY_ID)
    return Group(
        "span",
        [
            *statements,
            f"{delete(semconv.KEY_PEPPER_ID)} "
            f"where {pepper_id} != nil and not IsMatch({pepper_id}, {_PEPPER_ID})",
            f"set({attribute(PUBLIC_ID)}, {key_id}) "
            f"where {key_id} != nil and IsMatch({key_id}, {_PUBLIC})",
            f"{delete(semconv.KEY_ID)} where {attribute(PUBLIC_ID)} != nil",
        ],
        [f"{attribute(name)} != nil" for name in OWN],
    )


def _header(name: str) -> list[Group]:
    """Read the header from a list or a text, under its name with dashes or underscores."""
    there = [attribute(captured) for captured in captured_names(name)]
    present = [" or ".join(f"{place} != nil" for place in there)]
    further = [" or ".join(f"(IsList({place}) and Len({place}) > 1)" for place in there)]
    return [
        Group("span", _value(name, there, 0), present),
        *(Group("span", _value(name, there, index), further) for index in range(1, _VALUES)),
        Group("span", [line for place in there for line in _redacted(place)], present),
    ]


def _value(name: str, there: Iterable[str], index: int) -> list[str]:
    in_authorization = name in known_names.AUTHORIZATION
    read = [
        f"set({VALUE}, String({place}[{index}])) where IsList({place}) and Len({place}) > {index}"
        for place in there
    ]
    texts = [f"set({VALUE}, {place}) where IsString({place})" for place in there]
    return [
        *read,
        *(texts if index == 0 else []),
        f'replace_pattern({VALUE}, {BLANKS}, "") where {VALUE} != nil',
        f'delete_key(span.cache, "value") where {VALUE} == "" '
        f'or {VALUE} == "{semconv.REDACTED}" or not ({UNKNOWN})',
        *(credentials.authorization() if in_authorization else credentials.key_header()),
        f'set(span.cache["location"], "header") where {KEY} != nil',
        f'set(span.cache["field"], {text(name)}) where {KEY} != nil',
        *judge(),
        *take(),
    ]


def _redacted(place: str) -> list[str]:
    one, two = (", ".join([text(semconv.REDACTED)] * count) for count in (1, 2))
    return [
        f"set({place}, [{two}]) where IsList({place}) and Len({place}) > 1",
        f"set({place}, [{one}]) where IsList({place}) and Len({place}) < 2",
        f'set({place}, "{semconv.REDACTED}") where {place} != nil and not IsList({place})',
    ]


def _ready() -> Group:
    return Group(
        "span",
        [
            f'set({attribute(PEPPER_ID)}, "keytrail pepper id")',
            f"set({attribute(PREVIOUS)}, {attribute(RAW)})",
        ],
        [f"{attribute(RAW)} != nil"],
    )
