"""keytrail's own attributes: what may stand there, so that redaction need not touch it."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from keytrail import semconv
from keytrail.capture.facts import Direction, KeyType, Location

PREFIX: Final = "keytrail."
HASHES: Final = frozenset(
    {
        semconv.KEY_HASH,
        semconv.KEY_PREVIOUS_HASH,
        semconv.KEY_OTHER_HASHES,
        semconv.REDACTED_HASHES,
    }
)
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CLOSED: Final[dict[str, frozenset[str]]] = {
    semconv.SCHEMA_VERSION: frozenset({semconv.SCHEMA}),
    semconv.DIRECTION: frozenset(get_args(Direction)),
    semconv.KEY_LOCATION: frozenset(get_args(Location)),
    semconv.KEY_TYPE: frozenset(get_args(KeyType)),
    semconv.OUTCOME: frozenset({"success", "denied", "rate_limited", "error", "unknown"}),
}


def is_hash(value: Any) -> bool:
    """Tell whether ``value`` is a fingerprint or a sequence of nothing else."""
    if isinstance(value, str):
        return _HASH.fullmatch(value) is not None
    return isinstance(value, tuple | list) and all(
        isinstance(element, str) and _HASH.fullmatch(element) for element in value
    )


def is_known(name: str, value: Any) -> bool:
    """Tell whether ``value`` is one of the words that keytrail itself writes under ``name``.

    Otherwise a caller could erase what the audit says by presenting such a word as a key.
    """
    if name in HASHES:
        return is_hash(value)
    return isinstance(value, str) and value in _CLOSED.get(name, ())
