"""How a call ended, and why, from statuses, gRPC codes and challenges."""

from __future__ import annotations

import pytest

from keytrail.capture.challenge import reason_in
from keytrail.capture.outcome import outcome


@pytest.mark.parametrize(
    ("status", "failed", "told"),
    [
        (200, False, "success"),
        (304, False, "success"),
        (101, False, "success"),
        (200, True, "success"),
        (401, False, "denied"),
        (403, False, "denied"),
        (407, False, "denied"),
        (429, False, "rate_limited"),
        (400, False, "error"),
        (404, False, "error"),
        (503, False, "error"),
        (None, True, "error"),
        (None, False, "unknown"),
    ],
)
def test_http(status: int | None, failed: bool, told: str) -> None:
    """The status decides; without one, whether the call failed."""
    assert outcome(status, failed=failed) == told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "success"),
        (7, "denied"),
        (8, "rate_limited"),
        (16, "denied"),
        (1, "error"),
        (13, "error"),
        (99, "error"),
    ],
)
def test_grpc(code: int, told: str) -> None:
    """Codes of gRPC are below those of HTTP."""
    assert outcome(code, failed=False) == told


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        ('Bearer realm="x", error="invalid_token"', "unknown_key"),
        ('Bearer error=invalid_token,error_description="The token expired"', "expired"),
        ('Bearer error="invalid_token", error_description="Token was REVOKED"', "revoked"),
        ('Bearer ERROR="invalid_token", error_description="malformed"', "malformed"),
        ('Bearer error="insufficient_scope", scope="a b"', "insufficient_scope"),
        ('Bearer error="insufficient_scope", error_description="expired"', "insufficient_scope"),
        ('Bearer error="invalid_request"', "malformed"),
        ('DPoP error="invalid_dpop_proof"', "malformed"),
        ('Bearer error="use_dpop_nonce"', None),
        ('Basic realm="error"', None),
        ('Basic realm="x", Bearer error="invalid_token"', "unknown_key"),
        ("Negotiate", None),
        ("", None),
        ("\x00\xff" * 5000, None),
        ('Bearer error="' + "x" * 100_000, None),
    ],
)
def test_the_reason_that_a_challenge_gives(challenge: str, reason: str | None) -> None:
    """Only the words of the standards are taken, whatever a server writes."""
    assert reason_in([challenge], key_presented=True) == reason


def test_a_challenge_tells_that_the_key_is_missing() -> None:
    """RFC 6750: no error is told where nothing was presented."""
    assert reason_in(['Bearer realm="x"'], key_presented=False) == "missing"
    assert reason_in(['Bearer realm="x"'], key_presented=True) is None
    assert reason_in([], key_presented=False) is None
    assert reason_in(["Basic", 'Bearer error="invalid_token"'], key_presented=True) == "unknown_key"
