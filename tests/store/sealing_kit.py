"""A store that is sealed, and what stands in it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from keytrail.capture.fingerprint import Peppers
from keytrail.journal.columns import COLUMNS
from keytrail.settings import Secret
from keytrail.store import manifest
from keytrail.store.manifest import SealedFile
from keytrail.store.signing import Signer
from keytrail.store.store import Store
from support.cases import PEPPER

PEPPERS = Peppers(Secret(PEPPER))
SIGNER = Signer(PEPPERS.manifest_keys())
USE_COLUMNS = tuple(name for name in COLUMNS if name != "record")


def rows_of(home: Path, columns: str = ", ".join(USE_COLUMNS)) -> list[tuple[Any, ...]]:
    """Return every use of a home, by time."""
    with closing(Store(home)) as store:
        return store.all(f"SELECT {columns} FROM uses ORDER BY time, path, attributes, span_id")


def paths_of(home: Path) -> list[str]:
    """Return the path of every use, by time."""
    return [path for (path,) in rows_of(home, "path")]


def files_of(home: Path) -> tuple[SealedFile, ...]:
    """Return the sealed files of a home."""
    return manifest.read(home).files


def live_of(home: Path) -> list[str]:
    """Return the names of the segments of a home."""
    return sorted(path.name for path in home.glob("live/*/*.ndjson"))
