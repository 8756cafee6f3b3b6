"""What goes wrong with a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StoreError(Exception):
    """The store cannot do what was asked; says what, where, and a hint."""


def unwritable(home: Path, error: OSError) -> StoreError:
    """Return the error for a home that did not take what was to be written."""
    where = error.filename if isinstance(error.filename, str) else home
    return StoreError(
        f"the store in {home} cannot be changed: {where}: {error.strerror}\n"
        "hint: nothing is lost; run this as the user that the services run as, on a disk that has "
        "room and may be written"
    )
