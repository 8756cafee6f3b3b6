"""Which JWTs count as keys."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any, Literal

import pytest

from keytrail.capture.jwt import hashed_bytes, read_claims
from support.capture import PEPPERS, make_reader, make_view

NOW = 1_800_000_000
DAY = 86_400


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(claims: object, header: object = {"alg": "RS256"}) -> bytes:
    return f"{_part(header)}.{_part(claims)}.c2lnbmF0dXJl".encode()


LONG = {"iat": NOW, "exp": NOW + 31 * DAY}
SHORT = {"iat": NOW, "exp": NOW + 30 * DAY}


@pytest.mark.parametrize(
    ("claims", "is_key"),
    [
        ({}, True),
        (LONG, True),
        (SHORT, False),
        ({"exp": NOW + 31 * DAY}, True),
        ({"exp": NOW + 3600}, False),
        ({"exp": NOW - 3600}, False),
        ({"exp": "never"}, True),
        ({"exp": True}, True),
        ({"exp": 10**400}, True),
        ({"exp": NOW + 3600, "iat": "now"}, False),
    ],
    ids=str,
)
def test_long_lived_tokens_are_keys(claims: dict[str, Any], is_key: bool) -> None:
    """Without ``exp``, or valid for more than 30 days, a JWT is a key."""
    token = _jwt(claims)
    read = read_claims(token)
    assert read is not None
    assert hashed_bytes(token, read, "keys", NOW) == (token if is_key else None)


@pytest.mark.parametrize(
    ("claims", "identity"),
    [
        ({"iss": "https://idp", "client_id": "c1", "azp": "c2", "sub": "u"}, b"https://idp c1"),
        ({"iss": "https://idp", "azp": "c2", "sub": "u"}, b"https://idp c2"),
        ({"iss": "https://idp", "sub": "user-1"}, b"https://idp "),
        ({"client_id": "c1", **SHORT}, None),
    ],
    ids=["client_id", "azp", "user", "no-issuer"],
)
def test_identity_groups_by_issuer_and_client(
    claims: dict[str, Any], identity: bytes | None
) -> None:
    """A user's ``sub`` never makes an identity; without an issuer the rule is ``keys``."""
    token = _jwt(claims)
    assert hashed_bytes(token, claims, "identity", NOW) == identity


def test_all_takes_every_token() -> None:
    """Under ``all`` a token of an hour is a key."""
    token = _jwt(SHORT)
    assert hashed_bytes(token, SHORT, "all", NOW) == token


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"eyJ",
        b"ey.ey.ey",
        b"a.b.c",
        b"eyJhbGciOiJSUzI1NiJ9.W10.c2ln",  # claims are a list
        b"eyJ0eXAiOiJKV1QifQ.e30.c2ln",  # no alg
        b"ey" + b"\xff" * 40 + b".." + b"\x00",
        b"ey" + urlsafe_b64encode(b"[" * 9000) + b".e30.",
        _jwt({}) + b".more",
    ],
)
def test_garbage_is_no_jwt(token: bytes) -> None:
    """What only looks like a JWT is told as none, and nothing is raised."""
    assert read_claims(token) is None


@pytest.mark.parametrize(
    "token",
    [
        b"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVy.dGFn",
        _jwt({"long": "x" * 20_000}),
    ],
    ids=["encrypted", "longer than is read"],
)
def test_claims_that_cannot_be_read_make_a_user_token(token: bytes) -> None:
    """It is redacted and not a key, so that hourly tokens do not bury the keys."""
    claims = read_claims(token)
    assert claims is not None
    assert hashed_bytes(token, claims, "keys", NOW) is None


@pytest.mark.parametrize(
    ("rule", "location"),
    [("keys", None), ("identity", "header"), ("all", "header")],
)
def test_a_users_token_in_a_request(
    rule: Literal["keys", "identity", "all"],
    location: str | None,
) -> None:
    """By default it is counted and redacted only; it is redacted under every rule."""
    token = _jwt({"iss": "https://idp", "client_id": "c1", "exp": NOW, "iat": NOW - 3600})
    read = make_reader(jwt=rule).incoming(make_view(("authorization", b"Bearer " + token)))
    keys = [(key.type, key.location) for key in read.facts.keys]
    assert keys == ([("jwt", location)] if location else [])
    assert read.user_tokens == (0 if location else 1)
    assert [secret.reveal() for secret, _ in read.secrets] == [token]
    if rule == "identity":
        assert read.facts.keys[0].hash == PEPPERS.fingerprint(b"https://idp c1")
