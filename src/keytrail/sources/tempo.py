"""Grafana Tempo as a source: TraceQL searches, each within the caps that it has.

A search gives the first traces that it meets, not the newest, and says nothing of the others. Of a
trace with more matching spans than a search may show, all are read.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.sources.http import Http
from keytrail.sources.source import service_of
from keytrail.sources.spans import KEPT, NAMES, AuditSpan
from keytrail.sources.swept import may_be_digits
from keytrail.sources.tempo_traces import read_trace
from keytrail.sources.windows import Bisection, LimitError, TooMuchError, Trace, Window
from keytrail.sources.worth import end_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from keytrail.sources.address import Address
    from keytrail.sources.http import Answer
    from keytrail.sources.limits import Limits
    from keytrail.sources.swept import Search

_LIMIT: Final = 1_000
"""Traces asked for at once, unless the address says ``?limit=``."""
_MOST: Final = 262_144
_SPANS: Final = 100
_SECOND: Final = 10**9
_AHEAD: Final = 5 * 60
"""Seconds by which clocks may be ahead."""
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
_IN_PART: Final = "Tempo gave a part of a trace only: it is too large for it"
_TOO_LARGE: Final = frozenset({413, 422})
_SEARCH: Final = "/api/search"
_TELLS_STATUS: Final = {"/api/v2/traces": True, "/api/traces": False}
"""Where a trace is, and whether a part of it says so; Tempo before 2.7 has the second alone."""


class TempoBackend:
    """Finds spans in one Tempo."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._http = Http(address, limits)
        limit = address.number("limit", _LIMIT)
        self._traces = Bisection(limit, max(limit, _MOST))
        self._longest = address.number("window", _LONGEST)
        self._late = address.options.get("late") != "never"
        self._tells_parents = True

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def can_find(self, _named: str, /) -> bool:
        """It has regular expressions for digits."""
        return True

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the audit spans that may match.

        What arrived late lies where it arrived, so the time up to now is searched as well.
        """
        now = time.time_ns()
        since = search.wanted.since
        search.bounded += [_KEEPS, *([_LATE] if self._late else [])]
        search.ends = end_of(search.wanted, now)
        search.begins = search.ends - self._address.lookback if since is None else since
        if search.wanted.traces is not None:
            for trace in search.wanted.traces:
                yield from self._trace(trace, search)
            return
        last = max(search.ends, now) if self._late else search.ends
        whole = Window(max(search.begins, 0) // _SECOND, last // _SECOND + _AHEAD)
        for condition in _conditions(search):
            yield from self._windows(search, condition, whole)

    def _windows(self, search: Search, condition: str, whole: Window) -> Iterator[AuditSpan]:
        def ask(window: Window, most: int) -> list[Trace]:
            search.progress(window.told(_SECOND))
            return self._search(search, condition, window, most)

        for found in self._traces.search(whole, self._longest, ask):
            if not found.whole:
                search.truncated.append("Tempo has more traces in a second than it tells")
            for trace in found.traces:
                yield from self._of(trace.content, search)

    def _search(self, search: Search, condition: str, window: Window, most: int) -> list[Trace]:
        query = {
            "q": f"{{ {condition} }} | select({_selected(parents=self._tells_parents)})",
            "start": window.begin,
            "end": window.end + 1,
            "limit": most,
            "spss": _SPANS,
        }
        answer = self._http.get(_SEARCH, query)
        if answer.status == 400 and self._tells_parents and _PARENT in answer.text:
            self._tells_parents = False
            return self._search(search, condition, window, most)
        self._check_caps(answer)
        found = self._http.object(_SEARCH, answer)
        with self._http.reading(_SEARCH):
            if _stopped_early(found.get("metrics") or {}):
                search.truncated.append("Tempo stopped a search before its end")
            return [*map(_trace, found.get("traces") or ())]

    def _check_caps(self, answer: Answer) -> None:
        """Tell what was too much from what is wrong."""
        if answer.status != 400 or "exceeds" not in answer.text:
            return
        refused = str(self._http.refused(_SEARCH, answer))
        if "limit" in answer.text.lower():
            raise LimitError(refused)
        raise TooMuchError(refused)

    def _of(self, trace: Mapping[str, Any], search: Search) -> Iterable[AuditSpan]:
        """Return the matching spans of one trace; all where it has more than were shown."""
        with self._http.reading(_SEARCH):
            sets = trace.get("spanSets") or [trace.get("spanSet") or {}]
            shown = [span for one in sets for span in one.get("spans") or ()]
            found = [_span(trace["traceID"], span) for span in shown]
            if all(int(one.get("matched", 0)) <= len(one.get("spans") or ()) for one in sets):
                return found
        whole = self._trace(trace["traceID"], search)
        if not whole:
            search.truncated.append("Tempo does not give a trace that it has found")
        given = {span.span_id for span in whole}
        return [*(span for span in found if span.span_id not in given), *whole]

    def _trace(self, trace_id: str, search: Search) -> tuple[AuditSpan, ...]:
        for path, tells_status in _TELLS_STATUS.items():
            whole = f"{path}/{trace_id.rjust(32, '0')}"
            answer = self._http.get(whole, {}, accept="application/protobuf")
            if answer.status == 404:
                continue
            if answer.status in _TOO_LARGE:
                search.truncated.append(_IN_PART)
                return ()
            if answer.status != 200:
                raise self._http.refused(f"{path}/…", answer)
            trace = read_trace(answer.content, self._address, tells_status=tells_status)
            if trace.partial:
                search.truncated.append(_IN_PART)
            return trace.spans
        return ()


def _trace(found: Mapping[str, Any]) -> Trace:
    return Trace(str(found["traceID"]), int(found.get("startTimeUnixNano", 0)) // _SECOND, found)


def _stopped_early(jobs: Mapping[str, Any]) -> bool:
    return int(jobs.get("completedJobs", 0)) < int(jobs.get("totalJobs", 0))


def _selected(*, parents: bool) -> str:
    fields = [f"span.{name}" for name in _SELECTED] + ["resource.service.name"]
    return ", ".join([*fields, *([_PARENT] if parents else [])])


def _conditions(search: Search) -> Iterator[str]:
    """Yield the searches that find all that may match; each is about one span alone."""
    wanted, service = search.wanted, service_of(search.wanted)
    audit = f'span.{semconv.SCHEMA_VERSION} = "{semconv.SCHEMA}"'
    if service is not None:
        audit += f" && resource.service.name = {_quoted(service)}"
    if search.named is not None:
        yield f"{audit} && ({_named(search)})"
    elif wanted.keys is not None:
        for begin in range(0, len(wanted.keys), _AT_ONCE):
            names = (semconv.KEY_HASH, semconv.KEY_PREVIOUS_HASH)
            yield f"{audit} && {_any(names, wanted.keys[begin : begin + _AT_ONCE])}"
    elif wanted.clients is not None:
        for begin in range(0, len(wanted.clients), _AT_ONCE):
            clients = wanted.clients[begin : begin + _AT_ONCE]
            yield f"{audit} && {_any(NAMES['client'], clients)}"
    else:
        yield audit


def _named(search: Search) -> str:
    """Return what finds a key by its public id, or by the first digits of its fingerprint."""
    terms = [f"span.{semconv.KEY_ID} = {_quoted(str(search.named))}"]
    if may_be_digits(str(search.named)):
        starts = _quoted(f"{str(search.named).lower()}.*")
        hashes = (semconv.KEY_HASH, semconv.KEY_PREVIOUS_HASH)
        terms += [f"span.{name} =~ {starts}" for name in hashes]
    return " || ".join(terms)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _any(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    terms = [f"span.{name} = {_quoted(value)}" for name in names for value in values]
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
