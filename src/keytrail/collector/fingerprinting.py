"""Keys that services in other languages captured: picked, fingerprinted, told as keytrail would.

Three steps, since the Collector's language has no HMAC and its redaction processor can't choose: a
transform picks the value into a private attribute, a redaction processor replaces what stands there
by its HMAC, a transform moves that to its place. See ``keytrail.capture`` for what it must equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.capture import known_names
from keytrail.capture.jwt import LONG_LIVED_SECONDS
from keytrail.collector.ottl import Group, attribute, delete, pattern, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RAW: Final = "keytrail.raw"
"""Private: the value between the first step and the second, nowhere else."""
PEPPER_ID: Final = "keytrail.raw_pepper_id"
PREVIOUS: Final = "keytrail.previous_raw"
PUBLIC_ID: Final = "keytrail.public_id"
"""Private: where a public id waits that redaction would take for a key."""
NOT_A_HASH: Final = "keytrail.collector.not_a_hash"
"""Marks a span that came with a fingerprint that was none."""

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
URLS: Final = ("url.query", "url.full", "http.url", "http.target")
"""Where conventions, old and new, have the query."""

_METADATA: Final = ("authorization", "x-api-key")
"""The headers that gRPC's clients use."""
_HASH: Final = r"^[0-9a-f]{64}$"
_CANDIDATE: Final = 'span.cache["key"]'
_TOLD: Final = {
    "type": semconv.KEY_TYPE,
    "location": semconv.KEY_LOCATION,
    "field": semconv.KEY_FIELD,
    "scheme": semconv.KEY_SCHEME,
}
HASHES: Final = (
    semconv.KEY_HASH,
    semconv.KEY_PREVIOUS_HASH,
    semconv.KEY_OTHER_HASHES,
    semconv.REDACTED_HASHES,
)
"""Attributes that hold nothing but fingerprints."""
OWN: Final = (*HASHES, semconv.KEY_PEPPER_ID, semconv.KEY_ID)
"""Attributes of ours that must be checked where they come from outside."""
_PEPPER_ID: Final = pattern(r"^[0-9a-f]{8}$")
_PUBLIC: Final = pattern(r"^(?:A3T[0-9A-Z]|AKIA|ASIA|ABIA|ACCA|LTAI|STS\.)[0-9A-Za-z]{12,}$")
_BLANKS: Final = pattern(r"^\s+|\s+$")
_LIST_OR_LINES: Final = pattern(r'^\["|[\r\n]')
_PARAMETERS: Final = pattern(r'^[0-9A-Za-z_-]+\s*="')
_CREDENTIAL: Final = pattern(r"\bCredential=(?P<key>[^/,\s]+)")
_AWS_KEY_ID: Final = pattern(r"^(?P<key>[^:]+):")
_CALL: Final = "(span.kind == SPAN_KIND_SERVER or span.kind == SPAN_KIND_CLIENT)"
_UNKNOWN: Final = f"{attribute(semconv.KEY_HASH)} == nil and {attribute(RAW)} == nil and {_CALL}"


def pick(headers: Iterable[str] = HEADERS) -> list[Group]:
    """Return the groups that pick a key into ``keytrail.raw`` and remove it where it stood."""
    return [
        _private_names(),
        _hashes_from_outside(),
        *(_header(name) for name in headers),
        *(_query(name) for name in URLS),
        *(_userinfo(name) for name in ("url.full", "http.url")),
        _ready(),
    ]


def hashing(pepper: str, private: str) -> dict[str, Any]:
    """Return the redaction processor that replaces private attributes by their HMAC."""
    return {
        "allow_all_keys": True,
        "blocked_key_patterns": [re.escape(private)],
        "hash_function": "hmac-sha256",
        "hmac_key": pepper,
        "summary": "silent",
    }


def tell() -> list[Group]:
    """Return the groups that make an audit span of a span whose key has been fingerprinted."""
    raw, previous = attribute(RAW), attribute(PREVIOUS)
    return [
        Group(
            "span",
            [
                f"set({attribute(semconv.KEY_HASH)}, {raw}) where IsMatch({raw}, {pattern(_HASH)})",
                f"set({attribute(semconv.KEY_PREVIOUS_HASH)}, {previous}) "
                f"where {previous} != nil and IsMatch({previous}, {pattern(_HASH)}) "
                f"and {previous} != {raw}",
                f"set({attribute(semconv.KEY_PEPPER_ID)}, Substring({attribute(PEPPER_ID)}, 0, 8))",
                *_always(),
                *_outcome(),
                *(delete(name) for name in (RAW, PREVIOUS, PEPPER_ID)),
            ],
            [f"{raw} != nil"],
        ),
        Group(
            "span",
            [
                f"set({attribute(semconv.KEY_ID)}, {attribute(PUBLIC_ID)})",
                delete(PUBLIC_ID),
            ],
            [f"{attribute(PUBLIC_ID)} != nil"],
        ),
    ]


def _private_names() -> Group:
    """Whoever could set them would have us hash what they like."""
    return Group(
        "span", [delete(name) for name in (RAW, PEPPER_ID, PREVIOUS, PUBLIC_ID, NOT_A_HASH)]
    )


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


def _header(name: str) -> Group:
    """Read the header from a list or a text, under its name with dashes or underscores."""
    there = places(name)
    read = [
        statement
        for place in there
        for statement in (
            f'set(span.cache["value"], {place}[0]) where IsList({place}) and Len({place}) > 0',
            f'set(span.cache["value"], {place}) where IsString({place})',
        )
    ]
    taken = _authorization() if name in known_names.AUTHORIZATION else _key_header()
    gone = [
        statement
        for place in there
        for statement in (
            f'set({place}, ["{semconv.REDACTED}"]) where IsList({place})',
            f'set({place}, "{semconv.REDACTED}") where {place} != nil and not IsList({place})',
        )
    ]
    value = 'span.cache["value"]'
    return Group(
        "span",
        [
            *read,
            f'replace_pattern({value}, {_BLANKS}, "") where {value} != nil',
            f'delete_key(span.cache, "value") where {value} == "" '
            f'or {value} == "{semconv.REDACTED}" or not ({_UNKNOWN})',
            *taken,
            f'set(span.cache["location"], "header") where {_CANDIDATE} != nil',
            f'set(span.cache["field"], {text(name)}) where {_CANDIDATE} != nil',
            *_judge(),
            *_take(),
            *gone,
        ],
        [" or ".join(f"{place} != nil" for place in there)],
    )


def captured_names(header: str) -> list[str]:
    """Return the attributes that may hold a captured header, in conventions old and new."""
    spellings = dict.fromkeys((header, header.replace("-", "_")))
    names = [f"http.request.header.{spelling}" for spelling in spellings]
    return [*names, f"rpc.grpc.request.metadata.{header}"] if header in _METADATA else names


def places(header: str) -> list[str]:
    """Return the paths of the attributes that may hold a captured header."""
    return [attribute(name) for name in captured_names(header)]


def _key_header() -> list[str]:
    """As ``capture.authorization.parse_key_header``."""
    with_scheme = rf"(?is)^(?P<scheme>{_any_of(_schemes())})[ ]+(?P<rest>.+)$"
    value, scheme = 'span.cache["value"]', 'span.cache["split"]["scheme"]'
    return [
        f'set(span.cache["split"], ExtractPatterns({value}, {pattern(with_scheme)})) '
        f"where {value} != nil",
        f"set({_CANDIDATE}, {value}) where {value} != nil and {scheme} == nil",
        f'set({_CANDIDATE}, span.cache["split"]["rest"]) where {scheme} != nil',
        f'set(span.cache["scheme"], "none") where {value} != nil and {scheme} == nil',
        f'set(span.cache["scheme"], ToLowerCase({scheme})) where {scheme} != nil',
        f'set(span.cache["type"], "opaque") where {value} != nil',
    ]


def _authorization() -> list[str]:
    """As ``capture.authorization.parse_authorization``."""
    value = 'span.cache["value"]'
    scheme, rest = 'span.cache["split"]["scheme"]', 'span.cache["split"]["rest"]'
    two_words = r"(?s)^(?P<scheme>\S+)\s+(?P<rest>.+)$"
    known = _any_of([*_schemes(), "basic", *_keyless(), *known_names.SIGNING_SCHEMES.values()])
    lone = rf"^(?i:{known})$"
    passes = _any_of(_schemes())
    no_token = _any_of(["basic", *_keyless(), *known_names.SIGNING_SCHEMES.values()])
    return [
        f'set(span.cache["split"], ExtractPatterns({value}, {pattern(two_words)})) '
        f"where {value} != nil",
        f"set({_CANDIDATE}, {value}) where {value} != nil and {scheme} == nil "
        f"and not IsMatch({value}, {pattern(lone)})",
        f'set(span.cache["scheme"], "none") where {_CANDIDATE} != nil',
        f'set(span.cache["name"], ToLowerCase({scheme})) where {scheme} != nil',
        f'set({_CANDIDATE}, {rest}) where span.cache["name"] != nil '
        f'and not IsMatch(span.cache["name"], {pattern(f"^(?:{no_token})$")})',
        f'set(span.cache["scheme"], "{semconv.OTHER}") where span.cache["name"] != nil',
        f'set(span.cache["scheme"], span.cache["name"]) where span.cache["name"] != nil '
        f'and IsMatch(span.cache["name"], {pattern(f"^(?:{passes})$")})',
        f'set(span.cache["type"], "opaque") where {_CANDIDATE} != nil',
        *_parameters(rest),
        *_basic(rest),
        *_signed(rest),
    ]


def _parameters(rest: str) -> list[str]:
    """``Token token="…"`` has the key; any other list of parameters has none that is known."""
    named = r'(?i)^token="?(?P<key>[^",;\s]+)'
    return [
        f'set(span.cache["parameter"], ExtractPatterns({rest}, {pattern(named)})) '
        f"where {_CANDIDATE} != nil and {rest} != nil",
        f'set({_CANDIDATE}, span.cache["parameter"]["key"]) '
        f'where span.cache["parameter"]["key"] != nil',
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
        f'set(span.cache["pair"], ExtractPatterns(span.cache["decoded"], {pattern(pair)})) '
        f'where span.cache["decoded"] != nil',
        f'set({_CANDIDATE}, {user}) where {user} != nil and {password} == ""',
        f'set({_CANDIDATE}, {password}) where {password} != nil and {password} != ""',
    ]


def _signed(rest: str) -> list[str]:
    """The access key id is what is hashed: the secret does not travel."""
    schemes = _any_of([name for name in known_names.SIGNING_SCHEMES.values() if name != "aws"])
    signing = (
        f'span.cache["name"] != nil and IsMatch(span.cache["name"], {pattern(f"^(?:{schemes})$")})'
    )
    aws = 'span.cache["name"] == "aws"'
    key = 'span.cache["signed"]["key"]'
    return [
        f'set(span.cache["signed"], ExtractPatterns({rest}, {_CREDENTIAL})) where {signing}',
        f'set(span.cache["signed"], ExtractPatterns({rest}, {_AWS_KEY_ID})) where {aws}',
        f"set({_CANDIDATE}, {key}) where {key} != nil",
        f'set(span.cache["scheme"], span.cache["name"]) where {key} != nil',
        f'set(span.cache["type"], "signature") where {key} != nil',
    ]


def _query(name: str) -> Group:
    place = attribute(name)
    found = 'span.cache["found"]'
    separator = r"(?:^|[?&])"
    plain = rf"(?i){separator}(?P<field>{_query_names()})=(?P<key>[^&#]+)"
    doubtful = (
        rf"(?i){separator}(?P<field>{_any_of(known_names.AMBIGUOUS_QUERY)})="
        r"(?P<key>[A-Za-z0-9_.~+/=%-]{16,})(?:[&#]|$)"
    )
    signed = rf"(?i){separator}(?P<field>{_any_of(known_names.SIGNED_QUERY_IDS)})=(?P<key>[^&#]+)"
    missing = f"{_CANDIDATE} == nil and {_UNKNOWN}"
    statements = []
    for expression, kind in ((plain, "opaque"), (doubtful, "opaque"), (signed, "signed_url")):
        statements += [
            f"set({found}, ExtractPatterns({place}, {pattern(expression)})) where {missing}",
            f'set(span.cache["type"], {text(kind)}) where {missing} and {found}["key"] != nil',
            f'set(span.cache["field"], ToLowerCase({found}["field"])) '
            f'where {missing} and {found}["key"] != nil',
            f'set({_CANDIDATE}, {found}["key"]) where {missing} and {found}["key"] != nil',
        ]
    return Group(
        "span",
        [
            *statements,
            f'replace_pattern(span.cache["field"], "(?i)%5f", "_") where {_CANDIDATE} != nil',
            f'replace_pattern(span.cache["field"], "(?i)%2d", "-") where {_CANDIDATE} != nil',
            f'set(span.cache["location"], "query") where {_CANDIDATE} != nil',
            *_decode_percent(),
            f'replace_pattern({_CANDIDATE}, "/.*", "") where span.cache["type"] == "signed_url"',
            *_judge(),
            *_take(),
            *_finding("key_in_url", "query"),
            f"replace_pattern({place}, {pattern(_secret_parameters())}, "
            f'"$${{1}}$${{2}}{semconv.REDACTED}")',
        ],
        [f"{place} != nil and ({_may_hold_key(place)})"],
    )


def _userinfo(name: str) -> Group:
    place = attribute(name)
    found = 'span.cache["found"]'
    expression = r"^[A-Za-z][0-9A-Za-z+.-]*://(?P<user>[^/?#@:]*):?(?P<password>[^/?#@]*)@"
    return Group(
        "span",
        [
            f"set({found}, ExtractPatterns({place}, {pattern(expression)})) where {_UNKNOWN}",
            f'set({_CANDIDATE}, {found}["user"]) where {found}["password"] == ""',
            f'set({_CANDIDATE}, {found}["password"]) where {found}["password"] != nil '
            f'and {found}["password"] != ""',
            f'set(span.cache["type"], "basic") where {_CANDIDATE} != nil',
            f'set(span.cache["location"], "userinfo") where {_CANDIDATE} != nil',
            f'set(span.cache["field"], "userinfo") where {_CANDIDATE} != nil',
            *_decode_percent(),
            *_judge(),
            *_take(),
            *_finding("userinfo", "userinfo"),
            f'replace_pattern({place}, {pattern("://[^/?#@]*@")}, "://{semconv.REDACTED}@")',
        ],
        [f'{place} != nil and IsMatch({place}, "@")'],
    )


def _decode_percent() -> list[str]:
    """The language has no function for it, but the path of a URL is decoded; a plus stays."""
    path = f'URL(Concat(["http://h/", {_CANDIDATE}], ""))["url.path"]'
    escaped = f'{_CANDIDATE} != nil and IsMatch({_CANDIDATE}, "%[0-9A-Fa-f]{{2}}")'
    return [
        f'replace_pattern({_CANDIDATE}, "[?]", "%3F") where {escaped}',
        f"set({_CANDIDATE}, Substring({path}, 1, Len({path}) - 1)) where {escaped}",
    ]


def _judge() -> list[str]:
    """Drop what is no key: empty, a list as text, several lines, a user's token."""
    jwt = r"^ey[0-9A-Za-z_-]*\.(?P<claims>[0-9A-Za-z_-]+)\.[0-9A-Za-z_-]*$"
    encrypted = r"^ey[0-9A-Za-z_-]*(?:\.[0-9A-Za-z_-]*){4}$"
    claims, expires = 'span.cache["claims"]', 'span.cache["claims"]["exp"]'
    return [
        f'replace_pattern({_CANDIDATE}, {_BLANKS}, "") where {_CANDIDATE} != nil',
        f'delete_key(span.cache, "key") where {_CANDIDATE} == "" '
        f'or {_CANDIDATE} == "{semconv.REDACTED}"',
        f'delete_key(span.cache, "key") where {_CANDIDATE} != nil '
        f"and IsMatch({_CANDIDATE}, {_LIST_OR_LINES})",
        f'set(span.cache["jwt"], ExtractPatterns({_CANDIDATE}, {pattern(jwt)})) '
        f"where {_CANDIDATE} != nil",
        f'set({claims}, ParseJSON(Decode(span.cache["jwt"]["claims"], "base64-raw-url"))) '
        f'where span.cache["jwt"]["claims"] != nil',
        f'set(span.cache["type"], "jwt") where {claims} != nil',
        f'set(span.cache["issued"], Double(UnixSeconds(span.start_time))) where {claims} != nil',
        f'set(span.cache["issued"], {claims}["iat"]) where IsDouble({claims}["iat"])',
        f'delete_key(span.cache, "key") where IsDouble({expires}) '
        f'and {expires} - span.cache["issued"] <= {LONG_LIVED_SECONDS}.0',
        f'delete_key(span.cache, "key") where {_CANDIDATE} != nil '
        f"and IsMatch({_CANDIDATE}, {pattern(encrypted)})",
    ]


def _take() -> list[str]:
    candidate = f"{_CANDIDATE} != nil and {attribute(RAW)} == nil"
    return [
        *(
            f'set({attribute(name)}, span.cache["{told}"]) '
            f'where {candidate} and span.cache["{told}"] != nil'
            for told, name in _TOLD.items()
        ),
        f"set({attribute(RAW)}, {_CANDIDATE}) where {candidate}",
    ]


def _finding(finding: str, location: str) -> list[str]:
    found = f'{_CANDIDATE} != nil and span.cache["location"] == {text(location)}'
    return [
        f"set({attribute(semconv.FINDINGS)}, [{text(finding)}]) where {found}",
        f"set({attribute(semconv.FINDING)}, {text(finding)}) where {found}",
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


def _always() -> list[str]:
    incoming = "span.kind == SPAN_KIND_SERVER"
    return [
        f"set({attribute(semconv.SCHEMA_VERSION)}, {text(semconv.SCHEMA)})",
        f'set({attribute(semconv.DIRECTION)}, "outgoing")',
        f'set({attribute(semconv.DIRECTION)}, "incoming") where {incoming}',
        f"set({attribute(semconv.KEY_PRESENT)}, true) where {incoming}",
        f"set({attribute(semconv.USE_TIME)}, span.start_time_unix_nano)",
        f"set({attribute(semconv.SAMPLED)}, true)",
    ]


def _outcome() -> list[str]:
    """As ``capture.outcome``, and the like for the codes of gRPC."""
    outcome = attribute(semconv.OUTCOME)
    status, grpc = 'span.cache["status"]', attribute("rpc.grpc.status_code")
    return [
        *(
            f"set({status}, {attribute(name)}) where IsInt({attribute(name)})"
            for name in ("http.status_code", "http.response.status_code")
        ),
        f'set({outcome}, "unknown")',
        f'set({outcome}, "error") where span.status.code == STATUS_CODE_ERROR',
        f'set({outcome}, "success") where {status} != nil',
        f'set({outcome}, "error") where {status} >= 400',
        f'set({outcome}, "denied") where {status} == 401 or {status} == 403 or {status} == 407',
        f'set({outcome}, "rate_limited") where {status} == 429',
        f'set({outcome}, "success") where {grpc} == 0',
        f'set({outcome}, "error") where IsInt({grpc}) and {grpc} > 0',
        f'set({outcome}, "denied") where {grpc} == 7 or {grpc} == 16',
        f'set({outcome}, "rate_limited") where {grpc} == 8',
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
    spelled = "|".join([_query_names(), _any_of(named), _any_of(_OTHER_SECRETS)])
    return (
        rf"(?i)((?:^|[?&#;])(?:{spelled})=)[^&#]+"
        rf"|((?:^|[?&#;])(?:{_any_of(known_names.AMBIGUOUS_QUERY)})=)[^&#]{{16,}}"
    )


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


def _query_names() -> str:
    """The names of parameters, with what separates their words raw or percent-encoded."""
    names = sorted(known_names.QUERY - known_names.AMBIGUOUS_QUERY)
    spelled = (re.sub(r"[-_]", "(?:[-_]|%5F|%2D)", name) for name in names)
    return "|".join(dict.fromkeys(spelled))


def _schemes() -> Sequence[str]:
    return sorted(known_names.SCHEMES.values())


def _keyless() -> Sequence[str]:
    return sorted(name.decode() for name in known_names.KEYLESS_SCHEMES)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, names), key=lambda name: (-len(name), name)))
