"""Where uses are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.sources.local import LocalSource
from keytrail.sources.source import CannotAnswer, Completeness, Filter, Found, Source

if TYPE_CHECKING:
    from keytrail.settings import Settings

__all__ = ["CannotAnswer", "Completeness", "Filter", "Found", "LocalSource", "Source", "connect"]


def connect(settings: Settings, url: str | None = None) -> Source:
    """Return the source at ``url``; without one, the journal in the home directory.

    Raises:
        CannotAnswer: no source of this kind is known.
    """
    if url is None:
        return LocalSource(settings.home)
    scheme = url.partition(":")[0]
    raise CannotAnswer(
        f"no source can read {scheme!r} addresses\nhint: without an address, the journal is read"
    )
