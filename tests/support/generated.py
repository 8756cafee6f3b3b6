"""Requests as nobody should send them, the same ones for the same numbers."""

from __future__ import annotations

import os
import random
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from support.cases import K1, K2, K3

FULL_SIZE = "KEYTRAIL_FULL_SIZE" in os.environ
"""Set it to run the proofs of a hundred thousand requests at their full size."""

_SECRETS = [
    K1,
    K2,
    K3,
    "1234",
    "sk_live_" + "aB3d" * 6,
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
]
_SCHEMES = ["Bearer", "bearer", "BEARER", "Basic", "Token", "ApiKey", "AWS4-HMAC-SHA256", "Digest"]
_NAMES = [
    "Authorization",
    "Proxy-Authorization",
    "X-API-Key",
    "x-api-key",
    "X-Api-KEY",
    "Api-Key",
    "X-Goog-Api-Key",
    "DD-API-KEY",
    "X-Amz-Security-Token",
    "Cookie",
    "X-Forwarded-For",
    "Forwarded",
    "User-Agent",
    "X-Credential-Identifier",
]
_PARAMETERS = [
    "api_key",
    "API_KEY",
    "api%5Fkey",
    "key",
    "sig",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "Signature",
    "access_token",
    "color",
    "",
]
_ADDRESSES = ["6.6.6.6", "[2001:db8::1]:80", "_hidden", "unknown", '"', "10.0.0.1", "fe80::1%e"]


class Generated(NamedTuple):
    """One request."""

    method: str
    path: str
    """Of the characters that servers pass on."""
    query: bytes
    headers: list[tuple[str, bytes]]


def generated(number: int) -> Generated:
    """Return the request of this number."""
    chance = random.Random(number)
    return Generated(
        chance.choice(["GET", "POST", "get", "PROPFIND"]),
        "/" + chance.choice(["p", K1, "%41%00", "ü/…", "bot123456:" + "A" * 35 + "/x", "a" * 3000]),
        _query(chance),
        [(chance.choice(_NAMES), _value(chance)) for _ in range(chance.choice([0, 1, 1, 2, 3, 9]))],
    )


def _query(chance: random.Random) -> bytes:
    count = chance.choice([0, 0, 1, 2, 5, 40])
    return b"&".join(
        chance.choice(_PARAMETERS).encode() + b"=" + _quoted(chance) for _ in range(count)
    )


def _quoted(chance: random.Random) -> bytes:
    secret = chance.choice(_SECRETS)
    return chance.choice(
        [
            secret,
            "".join(f"%{byte:02x}" for byte in secret.encode()),
            "%" + secret,
            "%2541%",
            "",
            "+" + secret.replace(" ", "+"),
        ]
    ).encode()


def _value(chance: random.Random) -> bytes:
    make: Callable[[random.Random], bytes] = chance.choice(_VALUES)
    return make(chance)


def _plain(chance: random.Random) -> bytes:
    return chance.choice(_SECRETS).encode()


def _schemed(chance: random.Random) -> bytes:
    blank = chance.choice([b" ", b"  ", b"\t", b""])
    schemes = [chance.choice(_SCHEMES).encode() for _ in range(chance.choice([1, 1, 2, 6, 200]))]
    return blank.join([*schemes, _plain(chance)])


def _basic(chance: random.Random) -> bytes:
    user = chance.choice(["", "user", "ü", "a" * 300, *_SECRETS])
    return b"Basic " + b64encode(f"{user}:{chance.choice(_SECRETS)}".encode())


def _broken_basic(chance: random.Random) -> bytes:
    return b"Basic " + chance.choice([b"====", b"a", b"!!", b64encode(b"\xff\x00"), b"Og==", b""])


def _token(chance: random.Random) -> bytes:
    parts = [b64encode(text.encode()).rstrip(b"=") for text in chance.choices(_CLAIMS, k=3)]
    return b"Bearer " + b".".join(parts)


_CLAIMS = [
    '{"alg":"none"}',
    '{"alg":"HS256","exp":1e999}',
    '{"iss":"i","exp":-1,"iat":true}',
    '{"exp":' + "9" * 400 + "}",
    "[" * 2000,
    '{"client_id":["x"]}',
]


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 8, 64, 300]))


def _huge(chance: random.Random) -> bytes:
    return chance.choice([b"k", b"Bearer ", b"a,", b'["x",', b"=;"]) * chance.choice([200, 4000])


def _folded(chance: random.Random) -> bytes:
    return b"Bearer\r\n " + _plain(chance)


def _joined(chance: random.Random) -> bytes:
    return chance.choice([b",", b", ", b";", b"\x00"]).join([_plain(chance), _plain(chance)])


def _array(chance: random.Random) -> bytes:
    return f'["{chance.choice(_SECRETS)}","{chance.choice(_SECRETS)}"]'.encode()


def _hops(chance: random.Random) -> bytes:
    return ", ".join(chance.choices(_ADDRESSES, k=chance.choice([1, 3, 500]))).encode()


def _signed(chance: random.Random) -> bytes:
    parts = ["Credential=", "AKIAIOSFODNN7EXAMPLE/x", "Signature=", "00ff", ", ", "/", " "]
    return b"AWS4-HMAC-SHA256 " + "".join(chance.choices(parts, k=5)).encode()


_VALUES: list[Any] = [
    _plain,
    _schemed,
    _basic,
    _broken_basic,
    _token,
    _noise,
    _huge,
    _folded,
    _joined,
    _array,
    _hops,
    _signed,
]
