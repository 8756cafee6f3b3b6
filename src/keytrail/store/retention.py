"""How much the store keeps: the oldest sealed files go, and the manifest says what went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from keytrail.journal.segment import now
from keytrail.store import manifest
from keytrail.store.ledger import opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keytrail.store.ledger import Ledger
    from keytrail.store.manifest import SealedFile
    from keytrail.store.signing import Signer

DAY = 24 * 3600 * 10**9


def retain(home: Path, signer: Signer, most_days: int, most_bytes: int) -> int:
    """Drop sealed files of uses older than ``most_days``, then the oldest beyond ``most_bytes``.

    Returns how many uses were dropped.

    Raises:
        StoreError: the store cannot be changed.
    """
    if not _too_old(manifest.read(home).files, most_days) and not _too_much(
        manifest.read(home).files, most_bytes
    ):
        return 0
    with opened(home, signer) as ledger:
        old = _too_old(ledger.manifest.files, most_days)
        dropped = _drop(ledger, old, "days")
        return dropped + _drop(ledger, _too_much(ledger.manifest.files, most_bytes), "bytes")


def _too_old(files: Sequence[SealedFile], most_days: int) -> list[SealedFile]:
    oldest = now() - most_days * DAY
    return [file for file in files if file.last < oldest]


def _too_much(files: Sequence[SealedFile], most_bytes: int) -> list[SealedFile]:
    left = sum(file.bytes for file in files)
    found = []
    for file in sorted(files, key=lambda file: file.last):
        if left <= most_bytes:
            break
        found.append(file)
        left -= file.bytes
    return found


def _drop(ledger: Ledger, files: Sequence[SealedFile], reason: Literal["days", "bytes"]) -> int:
    if not files:
        return 0
    uses = sum(file.uses for file in files)
    ledger.commit(
        "drop",
        replaces=[file.path for file in files],
        reason=reason,
        uses=uses,
        first=min(file.first for file in files),
        last=max(file.last for file in files),
    )
    return uses
