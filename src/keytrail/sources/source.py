"""What can be asked of a place where uses are kept, and what comes back."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from keytrail.journal.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Worth = Literal["exact", "bounded", "truncated"]
Row = tuple[object, ...]

USE_COLUMNS = tuple(name for name in COLUMNS if name not in ("record", "attributes", "span"))
"""The columns of a use: what :meth:`Source.uses` gives."""

KEY_COLUMNS = (
    *("key", "key_id", "key_name", "owner", "provider", "direction", "first_use", "last_use"),
    *("uses", "errors", "denials", "clients", "services", "routes"),
)
"""The columns of a key: what :meth:`Source.keys` gives."""


class CannotAnswer(Exception):  # noqa: N818 - it is what the source says, not a fault
    """A source cannot answer; says what, where, and a hint."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which uses are asked for; ``None`` means all. Times are Unix nanoseconds."""

    since: int | None = None
    until: int | None = None
    key: str | None = None
    """The first eight or more hex digits of a fingerprint, or a public key id."""
    client: Network | None = None
    status: tuple[int, int] | None = None
    """The lowest and the highest status."""
    finding: str | None = None
    trace: str | None = None
    service: str | None = None
    route: str | None = None
    host: str | None = None
    direction: str | None = None
    outcome: str | None = None
    owner: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Completeness:
    """What an answer is worth.

    ``exact``: every use of the time asked for is in it. ``bounded``: some are known to be
    elsewhere or gone. ``truncated``: there are more that match.
    """

    worth: Worth
    begins: int | None
    """Unix nanoseconds from which the source can tell; ``None`` where it holds nothing."""
    ends: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Rows as they come, and what they are worth."""

    rows: Iterable[Row]
    completeness: Completeness


class Source(Protocol):
    """A place where uses are kept. Times in rows are Unix nanoseconds, durations seconds."""

    def uses(self, wanted: Filter, limit: int | None) -> Found:
        """Return the newest ``limit`` uses, newest first, with ``USE_COLUMNS``.

        Raises:
            CannotAnswer: the source cannot be read or does not know a column that is asked for.
        """

    def keys(self, wanted: Filter) -> Found:
        """Return one row per key and direction, the last used first, with ``KEY_COLUMNS``.

        Uses without a key are one row per direction whose ``key`` is empty.

        Raises:
            CannotAnswer: the source cannot be read or does not know a column that is asked for.
        """
