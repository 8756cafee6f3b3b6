"""What can be asked of a place where uses are kept, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

from keytrail.journal.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from keytrail.store.networks import Network

Worth = Literal["exact", "bounded", "truncated"]
Row = tuple[object, ...]

USE_COLUMNS = tuple(name for name in COLUMNS if name not in ("record", "attributes", "span"))
"""The columns of a use: what :meth:`Source.uses` gives."""

MEASURES: Final = (
    *("previous", "key_id", "key_name", "owner", "environment", "provider"),
    *("first_use", "last_use"),
    *("uses", "errors", "denials", "rate_limited", "clients", "services", "routes", "hosts"),
    *("p50", "p95", "p99", "seconds"),
)
"""What can be told of a group of uses: the newest value that a column had in it (``previous`` is
the fingerprint of the same key under the pepper before), the first and the last time, counts of
uses and of distinct values, quantiles and the sum of the durations."""

HOUR: Final = 3600 * 10**9
DAY: Final = 24 * HOUR


class CannotAnswer(Exception):  # noqa: N818 - it is what the source says, not a fault
    """A source cannot answer; says what, where, and a hint."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which uses are asked for; ``None`` means all. Times are Unix nanoseconds."""

    since: int | None = None
    until: int | None = None
    """Inclusive."""
    keys: tuple[str, ...] | None = None
    """Whole fingerprints, any of them; an empty tuple matches nothing."""
    others_than: tuple[str, ...] | None = None
    """Whole fingerprints, none of them; uses without a key match."""
    clients: tuple[str, ...] | None = None
    """Addresses as they were recorded, any of them."""
    network: Network | None = None
    """Where the client's address lies."""
    traces: tuple[str, ...] | None = None
    """Trace ids, any of them."""
    status: tuple[int, int] | None = None
    """The lowest and the highest status."""
    finding: str | None = None
    redacted: tuple[str, ...] | None = None
    """Fingerprints, any of which stands among the keys that were redacted from the span."""
    beside: tuple[str, ...] | None = None
    """Fingerprints, any of which was presented in the same request beside the first key."""
    route: str | None = None
    """Compared with the path where a use has no route."""
    equal: tuple[tuple[str, str], ...] = ()
    """Columns of text, and what each must be."""


def service_of(wanted: Filter) -> str | None:
    """Return the one service that is asked for."""
    return dict(wanted.equal).get("service")


@dataclass(frozen=True, slots=True)
class Grouping:
    """How uses are put together: those alike in ``by``, and in their part of the time."""

    columns: tuple[str, ...]
    """Of a group's row: columns in ``by``, measures, and ``time``, where its part begins."""
    by: tuple[str, ...]
    """Columns of a use."""
    every: int | None = None
    """Nanoseconds of a part of the time."""
    order: tuple[str, ...] = ()
    """The columns by which the groups are ordered, greatest first; then by ``by``."""

    @property
    def divided(self) -> tuple[str, ...]:
        """By what uses are divided: their part of the time, where there are any, and ``by``."""
        return self.by if self.every is None else ("time", *self.by)


@dataclass(frozen=True, slots=True)
class Identity:
    """One fingerprint that was seen, and what it goes by beside it."""

    key: str
    previous: str | None = None
    """The fingerprint of the same key under the pepper before."""
    key_id: str | None = None
    key_name: str | None = None
    owner: str | None = None
    last_use: int | None = None


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

    def truncated(self, reason: str) -> Completeness:
        """Return what the answer is worth where more match, for a reason that is told first."""
        return replace(self, worth="truncated", reasons=(reason, *self.reasons))


@dataclass(frozen=True, slots=True)
class Found:
    """Rows as they come, and what they are worth."""

    rows: Iterable[Row]
    completeness: Completeness


FLOW_COLUMNS: Final = (
    *("key", "key_id", "key_name", "owner", "provider", "service", "host"),
    *("behalf_key", "behalf_key_name", "behalf_owner", "behalf_client"),
    *("first_use", "last_use", "uses", "errors", "denials"),
)
"""The columns of :meth:`Source.flows`; ``behalf_…`` is of the call during which it was sent."""


class Source(Protocol):
    """A place where uses are kept. Times in rows are Unix nanoseconds, durations seconds.

    Every method raises :class:`CannotAnswer` where the source cannot be read, or cannot tell.
    A use that is there twice, by trace and span id, counts once, and its later record is told.
    """

    def close(self) -> None:
        """Give back what is open; may be called twice."""

    def reading(self) -> AbstractContextManager[Source]:
        """Hold still for several questions: they see the same uses, each answered at once."""

    def uses(self, wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Found:
        """Return the newest ``limit`` uses, newest first, with ``USE_COLUMNS``.

        ``oldest_first``: all of them, the other way round.
        """

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses, with the columns of ``grouping``.

        What has no value in a column of ``by`` is a group of its own.
        """

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host, with ``FLOW_COLUMNS``.

        On whose behalf: the incoming use of the same trace and service that began last before;
        ``behalf`` are fingerprints of it, any of them.
        """

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by the public id ``start``.

        Those under an earlier pepper count too.
        """
