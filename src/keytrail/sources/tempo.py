"""Grafana Tempo as a source: TraceQL searches, each within the caps that it has.

A search gives the first traces that it meets, not the newest, and says nothing of the others: a
window that gave as many as the limit is cut in two. Of a trace with more matching spans than a
search may show, all are read.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail import semconv
from keytrail.sources.http import Http, TooSlowError
from keytrail.sources.source import CannotAnswer
from keytrail.sources.spans import KEPT, NAMES, AuditSpan
from keytrail.sources.tempo_traces import read_trace
from keytrail.sources.windows import Window, bisect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from keytrail.sources.address import Address
    from keytrail.sources.source import Filter
    from keytrail.sources.swept import Search

_LIMIT: Final = 1_000
"""Traces asked for at once, unless the address says ``?limit=``."""
_MOST: Final = 262_144
_SPANS: Final = 100
_SECOND: Final = 10**9
_LONGEST: Final = 168 * 3600
"""Seconds of the longest window that Tempo searches, unless the address says ``?window=``."""
_AT_ONCE: Final = 200
_PARENT: Final = "span:parentID"
_SELECTED: Final = tuple(
    dict.fromkeys([*(name for names in NAMES.values() for name in names), *KEPT])
)
_LATE: Final = (
    "a span that reached Tempo more than two minutes after its time may not be found: where "
    "wal.ingestion_time_range_slack is longer than the journal waits, say ?late=never"
)
_KEEPS: Final = "as far back as Tempo has kept its traces, which it does not tell"


class _Found(NamedTuple):
    traces: list[Any]
    searched_all: bool


class TempoBackend:
    """Finds spans in one Tempo."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._http = Http(address)
        self._limit = address.number("limit", _LIMIT)
        self._longest = address.number("window", _LONGEST)
        self._late = address.options.get("late") != "never"
        self._tells_parents = True

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the audit spans that may match.

        What arrived late lies where it arrived, so the time up to now is searched as well.
        """
        now = time.time_ns()
        search.bounded += [_KEEPS, *([_LATE] if self._late else [])]
        search.begins = search.wanted.since or now - self._address.lookback
        search.ends = search.wanted.until or now
        if search.wanted.traces is not None:
            for trace in search.wanted.traces:
                yield from self._trace(trace, search)
            return
        whole = Window(search.begins // _SECOND, max(search.ends, now) // _SECOND + 1)
        for condition in _conditions(search.wanted):
            yield from self._windows(search, condition, whole)

    def _windows(self, search: Search, condition: str, whole: Window) -> Iterator[AuditSpan]:
        def ask(window: Window) -> tuple[list[Any], bool]:
            most = _MOST if window.begin >= window.end else self._limit
            found = self._search(condition, window, most)
            if found is None:
                return [], False
            if not found.searched_all:
                search.truncated.append("Tempo stopped a search before its end")
            return found.traces, len(found.traces) < most

        for found in bisect(whole, self._longest, ask):
            search.limits.progress(f"{len(found.page):,} traces")
            if not found.whole:
                search.truncated.append("Tempo has more traces in a second than it tells")
            for trace in found.page:
                yield from self._of(trace, search)

    def _search(self, condition: str, window: Window, most: int) -> _Found | None:
        """Return what one search gave; ``None`` where its window was too much for Tempo."""
        query = {
            "q": f"{{ {condition} }} | select({_selected(parents=self._tells_parents)})",
            "start": window.begin,
            "end": window.end + 1,
            "limit": most,
            "spss": _SPANS,
        }
        try:
            answer = self._http.get("/api/search", query)
        except TooSlowError:
            if window.begin >= window.end:
                raise CannotAnswer(
                    f"{self._address} is too slow\nhint: ask for less time"
                ) from None
            return None
        if answer.status_code == 400 and self._tells_parents and _PARENT in answer.text:
            self._tells_parents = False
            return self._search(condition, window, most)
        if answer.status_code == 400 and "exceeds" in answer.text and window.begin < window.end:
            return None
        found = self._http.json("/api/search", answer)
        jobs = found.get("metrics") or {}
        done = int(jobs.get("completedJobs", 0)) >= int(jobs.get("totalJobs", 0))
        return _Found(found.get("traces") or [], done)

    def _of(self, trace: Mapping[str, Any], search: Search) -> Iterator[AuditSpan]:
        """Yield the matching spans of one trace; all of them where it has more than were shown."""
        sets = trace.get("spanSets") or [trace.get("spanSet") or {}]
        shown = [span for one in sets for span in one.get("spans") or ()]
        if any(int(one.get("matched", 0)) > len(one.get("spans") or ()) for one in sets):
            yield from self._trace(trace["traceID"], search)
            return
        for span in shown:
            yield _span(trace["traceID"], span)

    def _trace(self, trace_id: str, search: Search) -> Iterator[AuditSpan]:
        path = f"/api/v2/traces/{trace_id.rjust(32, '0')}"
        answer = self._http.get(path, {}, accept="application/protobuf")
        if answer.status_code == 404:
            return
        if answer.status_code != 200:
            raise self._http.refused("/api/v2/traces/…", answer)
        trace = read_trace(answer.content, self._address)
        if trace.partial:
            search.truncated.append("Tempo gave a part of a trace only: it is too large for it")
        yield from trace.spans


def _selected(*, parents: bool) -> str:
    fields = [f"span.{name}" for name in _SELECTED] + ["resource.service.name"]
    return ", ".join([*fields, *([_PARENT] if parents else [])])


def _conditions(wanted: Filter) -> Iterator[str]:
    """Yield the searches that find all that may match; each is about one span alone."""
    audit = f'span.{semconv.SCHEMA_VERSION} = "{semconv.SCHEMA}"'
    if wanted.keys is not None:
        for begin in range(0, len(wanted.keys), _AT_ONCE):
            names = (semconv.KEY_HASH, semconv.KEY_PREVIOUS_HASH)
            yield f"{audit} && {_any(names, wanted.keys[begin : begin + _AT_ONCE])}"
    elif wanted.clients is not None:
        for begin in range(0, len(wanted.clients), _AT_ONCE):
            clients = wanted.clients[begin : begin + _AT_ONCE]
            yield f"{audit} && {_any(NAMES['client'], clients)}"
    else:
        yield audit


def _any(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    terms = [f"span.{name} = {json.dumps(value)}" for name in names for value in values]
    return f"({' || '.join(terms)})"


def _span(trace_id: str, span: Mapping[str, Any]) -> AuditSpan:
    attributes = {one["key"]: _value(one.get("value") or {}) for one in span.get("attributes", ())}
    return AuditSpan(
        trace_id=trace_id,
        span_id=span["spanID"],
        parent_span_id=attributes.pop(_PARENT, None) or attributes.pop("parentID", None),
        start=int(span.get("startTimeUnixNano", 0)),
        duration=int(span.get("durationNanos", 0)) / 1e9,
        service=attributes.pop("service.name", None),
        attributes={**attributes, semconv.SCHEMA_VERSION: semconv.SCHEMA},
    )


def _value(value: Mapping[str, Any]) -> Any:
    """Return a value of OTLP's JSON, which leaves out what is zero or empty."""
    if "arrayValue" in value:
        return [_value(one) for one in value["arrayValue"].get("values", ())]
    return next(iter(value.values()), "")
