"""What the value of a captured header holds: as ``keytrail.capture.authorization`` takes it apart.

The statements read ``span.cache["value"]`` and leave what they find in ``span.cache["key"]``, with
its scheme and type beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.capture import known_names
from keytrail.collector.ottl import attribute, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY: Final = 'span.cache["key"]'
VALUE: Final = 'span.cache["value"]'
_PARAMETERS: Final = pattern(r'^[0-9A-Za-z_-]+\s*="')
_CREDENTIAL: Final = pattern(r'\bCredential\s*=\s*"?(?P<key>[^/,\s"]+)')
_AWS_KEY_ID: Final = pattern(r"^(?P<key>[^:]+):")


def key_header() -> list[str]:
    """As ``capture.authorization.parse_key_header``."""
    with_scheme = rf"(?is)^(?P<scheme>{any_of(_schemes())})[ ]+(?P<rest>.+)$"
    value, scheme = VALUE, 'span.cache["split"]["scheme"]'
    return [
        f'set(span.cache["split"], ExtractPatterns({value}, {pattern(with_scheme)})) '
        f"where {value} != nil",
        f"set({KEY}, {value}) where {value} != nil and {scheme} == nil",
        f'set({KEY}, span.cache["split"]["rest"]) where {scheme} != nil',
        f'set(span.cache["scheme"], "none") where {value} != nil and {scheme} == nil',
        f'set(span.cache["scheme"], ToLowerCase({scheme})) where {scheme} != nil',
        f'set(span.cache["type"], "opaque") where {value} != nil',
    ]


def authorization() -> list[str]:
    """As ``capture.authorization.parse_authorization``."""
    value = VALUE
    scheme, rest = 'span.cache["split"]["scheme"]', 'span.cache["split"]["rest"]'
    two_words = r"(?s)^(?P<scheme>[^\s,\[][^\s,]*)\s+(?P<rest>.+)$"
    known = any_of([*_schemes(), "basic", *_keyless(), *known_names.SIGNING_SCHEMES.values()])
    lone = rf"^(?i:{known})$"
    passes = any_of(_schemes())
    no_token = any_of(["basic", *_keyless(), *known_names.SIGNING_SCHEMES.values()])
    next_line = rf"(?is),[ \t]*(?:{any_of([*_schemes(), 'basic'])})[ \t]+[^\s=].*$"
    inner = rf"(?i)^(?:(?:{passes})\s+)+"
    return [
        f'replace_pattern({value}, {pattern(next_line)}, "") where {value} != nil',
        f'set(span.cache["split"], ExtractPatterns({value}, {pattern(two_words)})) '
        f"where {value} != nil",
        f"set({KEY}, {value}) where {value} != nil and {scheme} == nil "
        f"and not IsMatch({value}, {pattern(lone)})",
        f'set(span.cache["scheme"], "none") where {KEY} != nil',
        f'set(span.cache["name"], ToLowerCase({scheme})) where {scheme} != nil',
        f'set({KEY}, {rest}) where span.cache["name"] != nil '
        f'and not IsMatch(span.cache["name"], {pattern(f"^(?:{no_token})$")})',
        f'set(span.cache["scheme"], "{semconv.OTHER}") where span.cache["name"] != nil',
        f'set(span.cache["scheme"], span.cache["name"]) where span.cache["name"] != nil '
        f'and IsMatch(span.cache["name"], {pattern(f"^(?:{passes})$")})',
        f'replace_pattern({KEY}, {pattern(inner)}, "") where {KEY} != nil and '
        f'span.cache["scheme"] != "none" and span.cache["scheme"] != "{semconv.OTHER}"',
        f'set(span.cache["type"], "opaque") where {KEY} != nil',
        *_parameters(rest),
        *_basic(rest),
        *_signed(rest),
    ]


def _parameters(rest: str) -> list[str]:
    """``Token token="…"`` has the key; any other list of parameters has none that is known."""
    named = r'(?i)^token="?(?P<key>[^",;\s]+)'
    return [
        f'set(span.cache["parameter"], ExtractPatterns({rest}, {pattern(named)})) '
        f"where {KEY} != nil and {rest} != nil",
        f'set({KEY}, span.cache["parameter"]["key"]) where span.cache["parameter"]["key"] != nil',
        f'delete_key(span.cache, "key") where span.cache["parameter"]["key"] == nil '
        f"and {rest} != nil and IsMatch({rest}, {_PARAMETERS})",
    ]


def _basic(rest: str) -> list[str]:
    """The password, or the user name where it is empty; nothing where it can't be decoded."""
    pair = r"(?s)^(?P<user>[^:]*):?(?P<password>.*)$"
    user, password = 'span.cache["pair"]["user"]', 'span.cache["pair"]["password"]'
    basic = 'span.cache["name"] == "basic"'
    return [
        f'set(span.cache["scheme"], "basic") where {basic}',
        f'set(span.cache["type"], "basic") where {basic}',
        f'set(span.cache["decoded"], Decode({rest}, "base64")) where {basic}',
        f'set({attribute(semconv.CANNOT)}, "basic") where {basic} and span.cache["decoded"] == nil',
        f'set(span.cache["pair"], ExtractPatterns(span.cache["decoded"], {pattern(pair)})) '
        f'where span.cache["decoded"] != nil',
        f'set({KEY}, {user}) where {user} != nil and {password} == ""',
        f'set({KEY}, {password}) where {password} != nil and {password} != ""',
    ]


def _signed(rest: str) -> list[str]:
    """The access key id is what is hashed: the secret does not travel."""
    schemes = any_of([name for name in known_names.SIGNING_SCHEMES.values() if name != "aws"])
    signing = (
        f'span.cache["name"] != nil and IsMatch(span.cache["name"], {pattern(f"^(?:{schemes})$")})'
    )
    aws = 'span.cache["name"] == "aws"'
    key = 'span.cache["signed"]["key"]'
    return [
        f'set(span.cache["signed"], ExtractPatterns({rest}, {_CREDENTIAL})) where {signing}',
        f'set(span.cache["signed"], ExtractPatterns({rest}, {_AWS_KEY_ID})) where {aws}',
        f"set({KEY}, {key}) where {key} != nil",
        f'set(span.cache["scheme"], span.cache["name"]) where {key} != nil',
        f'set(span.cache["type"], "signature") where {key} != nil',
    ]


def _schemes() -> Sequence[str]:
    return sorted(known_names.SCHEMES.values())


def _keyless() -> Sequence[str]:
    return sorted(name.decode() for name in known_names.KEYLESS_SCHEMES)


def any_of(names: Iterable[str]) -> str:
    """Return an alternation of names, the longer ones first."""
    return "|".join(sorted(map(re.escape, names), key=lambda name: (-len(name), name)))
