"""Keys in ``Sec-WebSocket-Protocol``: browsers let a page choose no other header of a handshake."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Final

from keytrail.capture.authorization import NO_SCHEME, Credential
from keytrail.capture.known_names import SCHEMES

HEADER: Final = "sec-websocket-protocol"

_MOST: Final = 16
"""So many protocols of a line are looked at; the rest is looked at as one."""
_NAMED = re.compile(rb"[\w.-]*(?:api-?key|bearer|token)\.([A-Za-z0-9_.~+/=-]{16,})", re.IGNORECASE)
_ENCODED = re.compile(rb"base64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_-]+)={0,2}")


def parse_subprotocols(value: bytes) -> list[Credential]:
    """Return the keys among the protocols that a handshake offers.

    They come as ``token, KEY``, in two protocols, and as ``openai-insecure-api-key.KEY``, in one;
    Kubernetes has its own, in base64.
    """
    offered = [protocol.strip() for protocol in value.split(b",", _MOST)]
    pairs = zip([b"", *offered], offered, strict=False)
    return [found for before, one in pairs if (found := _key_in(one, before)) is not None]


def _key_in(protocol: bytes, before: bytes) -> Credential | None:
    scheme = SCHEMES.get(before.lower())
    if scheme is not None:
        return Credential(protocol, scheme)
    if (encoded := _ENCODED.fullmatch(protocol)) is not None:
        padded = encoded[1] + b"=" * (-len(encoded[1]) % 4)
        return Credential(_decoded(padded), "bearer", secrets=(protocol, encoded[1]))
    if (named := _NAMED.fullmatch(protocol)) is not None:
        return Credential(named[1], NO_SCHEME)
    return None


def _decoded(padded: bytes) -> bytes:
    try:
        return urlsafe_b64decode(padded)
    except ValueError:
        return b""
