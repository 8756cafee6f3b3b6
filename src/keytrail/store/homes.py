"""The homes in a directory: it is one itself, or services have theirs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.journal.segment import LIVE
from keytrail.store.errors import StoreError
from keytrail.store.manifest import NAME, SEALED

if TYPE_CHECKING:
    from pathlib import Path


def homes_in(directory: Path) -> tuple[Path, ...]:
    """Return ``directory`` and those of its directories that hold a journal, by name.

    So the journals of many services, in one directory, are read as one.

    Raises:
        StoreError: the directory cannot be listed.
    """
    try:
        inner = sorted(path for path in directory.iterdir() if _is_home(path))
    except FileNotFoundError:
        inner = []
    except OSError as error:
        raise StoreError(
            f"the journal in {directory} cannot be read: {error.strerror}\n"
            "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME"
        ) from None
    return (directory, *inner)


def _is_home(path: Path) -> bool:
    return any((path / name).exists() for name in (LIVE, SEALED, NAME))
