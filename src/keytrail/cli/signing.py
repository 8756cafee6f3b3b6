"""What the store is signed with, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.capture.pepper import load_peppers
from keytrail.store.errors import StoreError
from keytrail.store.signing import Signer

if TYPE_CHECKING:
    from keytrail.settings import Settings


def signer(settings: Settings) -> Signer:
    """Return what signs the manifest under the peppers of ``settings``.

    Raises:
        StoreError: there is no pepper that another process could check it with.
    """
    loaded = load_peppers(settings)
    if loaded.origin == "process" or loaded.problem is not None:
        raise StoreError(
            f"there is no pepper to sign the store with: {loaded.problem}\n"
            "hint: set KEYTRAIL_PEPPER, or run this as the user that the services run as"
        )
    return Signer(loaded.peppers.manifest_keys())
