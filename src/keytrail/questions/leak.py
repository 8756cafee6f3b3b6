"""A key has leaked: everything it did, where it came from, and what else came from there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from keytrail.questions.answer import Answer, Table
from keytrail.questions.ends import ENDS_COLUMNS, both_ends
from keytrail.questions.errors import QuestionError
from keytrail.questions.filters import Filters, read_filters, read_time
from keytrail.questions.keys import BY_KEY, KEY_COLUMNS
from keytrail.sources.source import DAY, FLOW_COLUMNS, HOUR, USE_COLUMNS, Filter, Grouping
from keytrail.sources.worth import least
from keytrail.store.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Unpack

    from keytrail.sources.source import Completeness, Found, Row, Source

MOST_CLIENTS: Final = 1_000
MOST_TRACES: Final = 200
MOST_USES: Final = 1_000
_HOURS_SHOWN: Final = 7 * DAY

_BY_CLIENT: Final = Grouping(
    columns=("client", "first_use", "last_use", "uses", "errors", "denials", "services", "routes"),
    by=("client",),
    order=("last_use",),
)
_BY_TOUCHED: Final = Grouping(
    columns=("client", "service", "route", "first_use", "last_use", "uses", "denials"),
    by=("client", "service", "route"),
    order=("last_use",),
)
_BY_TIME: Final = Grouping(
    columns=("time", "direction", "uses", "errors", "denials", "clients"),
    by=("direction",),
    every=HOUR,
)
_PLACES: Final = ("time", "service", "direction", "route", "path", "host", "trace_id", "span_id")


def leak(
    source: Source,
    *,
    at: str | None = None,
    limit: int | None = MOST_USES,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the newest ``limit`` uses of a leaked key, and tables of what they show.

    ``at`` is when it leaked: clients and hours are then told apart by it. The other filters narrow
    which of its uses are meant.

    Raises:
        QuestionError: no key is given, or a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    if filters.get("key") is None:
        raise QuestionError("whose leak? no key is given\nhint: pipe it in, or name it by --key")
    leaked = read_time("at", at)
    shown = {} if leaked is None else {"at": rfc3339(leaked)}
    with source.reading() as reading:
        asked = read_filters(reading, filters)
        inquiry = _Inquiry(reading, asked.wanted, leaked)
        uses = inquiry.read(reading.uses(asked.wanted, limit))
        tables = tuple(inquiry.tables(uses))
    question = {"name": "leak", **asked.shown, **shown}
    return Answer(question, USE_COLUMNS, uses, inquiry.completeness(), tables)


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """What is asked about one key beside its uses, and what each answer is worth."""

    source: Source
    wanted: Filter
    leaked: int | None
    worth: list[Completeness] = field(default_factory=list)

    def read(self, found: Found) -> tuple[Row, ...]:
        rows = tuple(found.rows)
        self.worth.append(found.completeness)
        return rows

    def completeness(self) -> Completeness:
        """Return what the least of the answers is worth, for the time that was asked for."""
        of_uses = self.worth[0]
        return replace(least(*self.worth), begins=of_uses.begins, ends=of_uses.ends)

    def groups(self, wanted: Filter, grouping: Grouping) -> tuple[Row, ...]:
        return self.read(self.source.groups(wanted, grouping))

    def tables(self, uses: tuple[Row, ...]) -> Iterator[Table]:
        keys = self.groups(self.wanted, BY_KEY)
        yield Table("key", "the key, each way", KEY_COLUMNS, keys)
        yield self.timeline(keys)
        clients = self.clients()
        yield clients
        yield from self.neighbours([str(row[0]) for row in clients.rows if row[0] is not None])
        caused = self.read(self.source.flows(self._of_anyone(), behalf=self.keys))
        yield Table("caused", "keys of ours that were sent on its behalf", FLOW_COLUMNS, caused)
        sent = self.read(self.source.flows(self.wanted))
        yield Table("sent", "who sends it where, on whose behalf", FLOW_COLUMNS, sent)
        yield self.ends(uses)
        beside = replace(self._of_anyone(), beside=self.keys)
        yield self.places("beside", "presented beside another key", beside)
        redacted = replace(self._of_anyone(), redacted=self.keys)
        yield self.places("redacted", "redacted from telemetry", redacted)

    @property
    def keys(self) -> tuple[str, ...]:
        return self.wanted.keys or ()

    def timeline(self, keys: tuple[Row, ...]) -> Table:
        first, last = (KEY_COLUMNS.index(column) for column in ("first_use", "last_use"))
        moments = [int(str(row[place])) for row in keys for place in (first, last)]
        is_long = bool(moments) and max(moments) - min(moments) > _HOURS_SHOWN
        rows = self.groups(self.wanted, replace(_BY_TIME, every=DAY if is_long else HOUR))
        columns = (*_BY_TIME.columns, "after")
        marked = tuple((*row, self._is_after(row[0])) for row in rows)
        return Table("timeline", "by day" if is_long else "by hour", columns, marked)

    def clients(self) -> Table:
        """Tell which clients are new, by all of the time that is recorded."""
        rows = self.groups(replace(self.wanted, since=None), _BY_CLIENT)
        columns = (*_BY_CLIENT.columns, "new")
        marked = tuple((*row, self._is_after(row[1])) for row in rows)
        return Table("clients", "where it was used from", columns, marked)

    def _is_after(self, moment: object) -> bool | None:
        return None if self.leaked is None else int(str(moment)) >= self.leaked

    def neighbours(self, clients: list[str]) -> Iterator[Table]:
        """Tell what else came from the same addresses, in the same time."""
        asked, wanted = clients[:MOST_CLIENTS], self._of_anyone()
        if len(clients) > len(asked):
            self._cut(f"of {len(clients):,} clients, the last {len(asked):,} were followed")
        wanted = replace(wanted, clients=tuple(asked), others_than=self.keys)
        touched = self.groups(wanted, _BY_TOUCHED)
        yield Table("touched", "what else these clients touched", _BY_TOUCHED.columns, touched)
        others = self.groups(wanted, BY_KEY)
        yield Table("other_keys", "other keys from these clients", KEY_COLUMNS, others)

    def _of_anyone(self) -> Filter:
        return Filter(since=self.wanted.since, until=self.wanted.until)

    def ends(self, uses: tuple[Row, ...]) -> Table:
        found = [use[USE_COLUMNS.index("trace_id")] for use in uses]
        traces = tuple(dict.fromkeys(str(trace) for trace in found if trace is not None))
        if len(traces) > MOST_TRACES:
            self._cut(f"both ends were looked for in the newest {MOST_TRACES:,} traces")
        calls = tuple(both_ends(self._of_traces(traces[:MOST_TRACES]), self.keys))
        return Table("ends", "calls that both ends recorded", ENDS_COLUMNS, calls)

    def _of_traces(self, traces: tuple[str, ...]) -> tuple[Row, ...]:
        """Where nothing was sent, what was received need not be looked for."""
        sent = Filter(traces=traces, equal=(("direction", "outgoing"),))
        received = replace(sent, equal=(("direction", "incoming"),))
        found = self.read(self.source.uses(sent, None))
        return (*found, *self.read(self.source.uses(received, None))) if found else ()

    def places(self, name: str, title: str, wanted: Filter) -> Table:
        places = [USE_COLUMNS.index(column) for column in _PLACES]
        rows = self.read(self.source.uses(wanted, MOST_USES))
        return Table(name, title, _PLACES, tuple(tuple(row[p] for p in places) for row in rows))

    def _cut(self, reason: str) -> None:
        self.worth.append(replace(self.worth[0], worth="truncated", reasons=(reason,)))
