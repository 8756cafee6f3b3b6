"""Where uses are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.sources.limits import NO_LIMITS, Limits
from keytrail.sources.local import LocalSource
from keytrail.sources.source import CannotAnswer, Completeness, Filter, Found, Source

if TYPE_CHECKING:
    from keytrail.settings import Settings
    from keytrail.sources.address import Address

__all__ = [
    "CannotAnswer",
    "Completeness",
    "Filter",
    "Found",
    "Limits",
    "LocalSource",
    "Source",
    "connect",
]


def connect(settings: Settings, source: str | None = None, limits: Limits = NO_LIMITS) -> Source:
    """Return the source with this address or profile; the journal in the home directory without.

    Raises:
        CannotAnswer: no source of this kind is known, or what it needs is not installed.
    """
    if source is None:
        return LocalSource(settings.home, limits)
    from keytrail.sources.address import read_address

    address = read_address(source)
    try:
        return _remote(address, limits)
    except ModuleNotFoundError as error:
        raise CannotAnswer(
            f"{error.name} is not installed, which {address.kind} sources need"
            "\nhint: pip install 'keytrail[sources]'"
        ) from None


def _remote(address: Address, limits: Limits) -> Source:
    from keytrail.sources.swept import SweptSource

    if address.kind == "jaeger":
        from keytrail.sources.jaeger import JaegerBackend

        return SweptSource(JaegerBackend(address, limits), limits)
    if address.kind == "clickhouse":
        from keytrail.sources.clickhouse.source import ClickHouseSource

        return ClickHouseSource(address, limits)
    from keytrail.sources.tempo import TempoBackend

    return SweptSource(TempoBackend(address, limits), limits)
