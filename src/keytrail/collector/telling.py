"""Fingerprints in the place of keys, and a call told as a use: as keytrail would tell it."""

from __future__ import annotations

import re
from typing import Any, Final

from keytrail import semconv
from keytrail.collector.ottl import Group, attribute, delete, pattern, text
from keytrail.collector.private import OTHERS, PEPPER_ID, PREVIOUS, PUBLIC_ID, RAW, SLOTS

_HASH: Final = pattern(r"^[0-9a-f]{64}$")


def hashing(pepper: str, private: str) -> dict[str, Any]:
    """Return the redaction processor that replaces private attributes by their HMAC.

    ``private`` is how their names begin.
    """
    return {
        "allow_all_keys": True,
        "blocked_key_patterns": [re.escape(private)],
        "hash_function": "hmac-sha256",
        "hmac_key": pepper,
        "summary": "silent",
    }


def tell() -> list[Group]:
    """Return the groups that make an audit span of a span whose keys have been fingerprinted."""
    raw, previous, public = attribute(RAW), attribute(PREVIOUS), attribute(PUBLIC_ID)
    return [
        Group(
            "span",
            [*_always(), *_outcome()],
            [
                f"{attribute(semconv.CANNOT)} != nil and {attribute(semconv.KEY_HASH)} == nil",
                f"{raw} != nil",
            ],
        ),
        Group(
            "span",
            [
                f"set({attribute(semconv.KEY_HASH)}, {raw}) where IsMatch({raw}, {_HASH})",
                f"set({attribute(semconv.KEY_PREVIOUS_HASH)}, {previous}) "
                f"where {previous} != nil and IsMatch({previous}, {_HASH}) and {previous} != {raw}",
                f"set({attribute(semconv.KEY_PEPPER_ID)}, Substring({attribute(PEPPER_ID)}, 0, 8))",
                *_others(),
                *(delete(name) for name in (*SLOTS, PREVIOUS, PEPPER_ID)),
            ],
            [f"{raw} != nil"],
        ),
        Group(
            "span",
            [f"set({attribute(semconv.KEY_ID)}, {public})", delete(PUBLIC_ID)],
            [f"{public} != nil"],
        ),
    ]


def _others() -> list[str]:
    """Tell how many keys there were, at most five, and the fingerprints of all but the first."""
    count, hashes = attribute(semconv.KEY_COUNT), attribute(semconv.KEY_OTHER_HASHES)
    return [
        f"set({hashes}, []) where {attribute(OTHERS[0])} != nil",
        *(
            statement
            for number, slot in enumerate(OTHERS, 2)
            for statement in (
                f"set({count}, {number}) where {attribute(slot)} != nil",
                f"append({hashes}, {attribute(slot)}) where {attribute(slot)} != nil "
                f"and IsMatch({attribute(slot)}, {_HASH})",
            )
        ),
    ]


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
