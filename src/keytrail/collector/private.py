"""Attributes that are only between keytrail's own processors, and those that hold fingerprints."""

from __future__ import annotations

from typing import Final

from keytrail import semconv

RAW: Final = "keytrail.raw"
"""Private: the first key between picking and fingerprinting, nowhere else."""
OTHERS: Final = tuple(f"{RAW}_{number}" for number in range(2, 2 + semconv.MAX_OTHER_HASHES))
"""Private: the other keys of the same request."""
SLOTS: Final = (RAW, *OTHERS)
PEPPER_ID: Final = f"{RAW}_pepper_id"
PREVIOUS: Final = "keytrail.previous_raw"
PUBLIC_ID: Final = "keytrail.public_id"
"""Private: where a public id waits that redaction would take for a key."""
NOT_A_HASH: Final = "keytrail.collector.not_a_hash"
"""Marks a span that came with a fingerprint that was none."""

HASHES: Final = (
    semconv.KEY_HASH,
    semconv.KEY_PREVIOUS_HASH,
    semconv.KEY_OTHER_HASHES,
    semconv.REDACTED_HASHES,
)
"""Attributes that hold nothing but fingerprints."""
OWN: Final = (*HASHES, semconv.KEY_PEPPER_ID, semconv.KEY_ID)
"""Attributes of ours that must be checked where they come from outside."""
