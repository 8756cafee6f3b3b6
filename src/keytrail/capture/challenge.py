"""Why a call was denied, where the response's challenge says so (RFC 6750, RFC 9449)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.capture.outcome import Reason

HEADERS: Final = ("www-authenticate", "proxy-authenticate")
"""Response headers that hold a challenge."""

_LONGEST = 2048
_ERROR = re.compile(r'\berror\s*=\s*"?([\w.-]{1,64})', re.IGNORECASE)
_DESCRIPTION = re.compile(r'\berror_description\s*=\s*"([^"]*)"', re.IGNORECASE)
_REASONS: Final[dict[str, Reason]] = {
    "insufficient_scope": "insufficient_scope",
    "invalid_dpop_proof": "malformed",
    "invalid_request": "malformed",
    "invalid_token": "unknown_key",
}
_IN_DESCRIPTIONS: Final[tuple[tuple[str, Reason], ...]] = (
    ("expired", "expired"),
    ("revoked", "revoked"),
    ("malformed", "malformed"),
)
"""Words by which a description tells more of an ``invalid_token``."""


def lines_of(headers: Iterable[tuple[str | bytes, str | bytes]]) -> list[str]:
    """Return the challenges among the headers of a response."""
    return [_text(value) for name, value in headers if _text(name).lower() in HEADERS]


def _text(header: str | bytes) -> str:
    return header if isinstance(header, str) else header.decode("latin-1")


def reason_in(challenges: Iterable[str], *, key_presented: bool) -> Reason | None:
    """Return the reason that the challenges of one response give, if they give one.

    A challenge without an error tells that the key is missing, where none was presented.
    """
    text = ", ".join(challenges)[:_LONGEST]
    if not text:
        return None
    error = _ERROR.search(text)
    if error is None:
        return None if key_presented else "missing"
    reason = _REASONS.get(error[1].lower())
    return _more_exactly(text) or reason if reason == "unknown_key" else reason


def _more_exactly(text: str) -> Reason | None:
    description = _DESCRIPTION.search(text)
    words = description[1].lower() if description else ""
    return next((reason for word, reason in _IN_DESCRIPTIONS if word in words), None)
