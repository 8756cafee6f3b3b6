"""Jaeger as a source: its older query API, since the newer one ignores attribute searches.

It finds whole traces, at most ``limit`` for each service, and does not say that there were more.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.sources.http import Http, RefusedError
from keytrail.sources.source import service_of
from keytrail.sources.spans import AuditSpan
from keytrail.sources.swept import may_be_digits
from keytrail.sources.windows import Bisection, LimitError, Trace, Window
from keytrail.sources.worth import end_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from keytrail.sources.address import Address
    from keytrail.sources.limits import Limits
    from keytrail.sources.source import Filter
    from keytrail.sources.swept import Search

_LIMIT: Final = 1_000
"""Traces asked for at once, unless the address says ``?limit=``."""
_MOST: Final = 10_000
_AHEAD: Final = 5 * 60 * 1_000_000
"""Microseconds by which clocks may be ahead."""
_EVERYTHING: Final = (semconv.SCHEMA_VERSION, semconv.SCHEMA)
_KEEPS: Final = "as far back as Jaeger has kept its spans, which it does not tell"
_TOO_MANY: Final = "search depth"
"""In what Jaeger says to a limit above its own."""


class JaegerBackend:
    """Finds spans in one Jaeger."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._lookback = address.lookback
        self._http = Http(address, limits)
        limit = address.number("limit", _LIMIT)
        self._traces = Bisection(limit, max(limit, _MOST))

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def can_find(self, named: str, /) -> bool:
        """It compares whole values alone."""
        return not may_be_digits(named)

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the audit spans that may match."""
        search.bounded.append(_KEEPS)
        now = time.time_ns()
        since = search.wanted.since
        search.ends = end_of(search.wanted, now)
        search.begins = search.ends - self._lookback if since is None else since
        if search.wanted.traces is not None:
            for trace in search.wanted.traces:
                for found in self._given(search, f"/api/traces/{trace}", {"raw": "true"}):
                    yield from self._spans(found)
            return
        whole = Window(max(search.begins, 0) // 1000, search.ends // 1000 + _AHEAD)
        for service in self._services(search.wanted):
            for tag in _tags(search):
                yield from self._windows(search, service, tag, whole)

    def _services(self, wanted: Filter) -> list[str]:
        path, only = "/api/services", service_of(wanted)
        with self._http.reading(path):
            services = sorted(self._object(path, {}).get("data") or ())
        return [service for service in services if only in (None, service)]

    def _windows(
        self, search: Search, service: str, tag: tuple[str, str], whole: Window
    ) -> Iterator[AuditSpan]:
        def ask(window: Window, most: int) -> list[Trace]:
            search.progress(f"{service}, {window.told(1000)}")
            return self._search(search, service, tag, window, most)

        for found in self._traces.search(whole, whole.end - whole.begin + 1, ask):
            if not found.whole:
                search.truncated.append(f"{service} has more traces in a microsecond than it tells")
            for trace in found.traces:
                yield from self._spans(trace.content)

    def _search(
        self, search: Search, service: str, tag: tuple[str, str], window: Window, most: int
    ) -> list[Trace]:
        """Return the traces of a window up to the end of its last microsecond."""
        query = {
            "service": service,
            "tags": json.dumps(dict([tag])),
            "start": window.begin,
            "end": window.end + 1,
            "limit": most,
            "raw": "true",
        }
        found = self._given(search, "/api/traces", query)
        with self._http.reading("/api/traces"):
            return [_trace(one) for one in found]

    def _given(self, search: Search, path: str, query: Mapping[str, Any]) -> list[Any]:
        found = self._object(path, query)
        if found.get("errors") and found.get("data"):
            search.truncated.append("Jaeger could not give all that it found")
        return found.get("data") or []

    def _object(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Jaeger says; nothing where it says in its own words that nothing is found."""
        try:
            answer = self._http.get(path, query)
        except RefusedError as error:
            if _TOO_MANY in error.answer.text:
                raise LimitError(f"{error}, which may be a ?limit= above its own") from None
            raise
        if answer.status == 404 and "errors" in (answer.object() or ()):
            return {}
        return self._http.object(path, answer)

    def _spans(self, trace: Mapping[str, Any]) -> list[AuditSpan]:
        with self._http.reading("/api/traces"):
            return [_span(span, trace["processes"]) for span in trace["spans"]]


def _tags(search: Search) -> Iterator[tuple[str, str]]:
    """Yield the searches that find all that may match, each by one attribute.

    Two at once would have to be on one span with some storages, and on any two with others.
    """
    if search.wanted.keys is not None:
        for key in search.wanted.keys:
            yield semconv.KEY_HASH, key
            yield semconv.KEY_PREVIOUS_HASH, key
    elif search.named is not None:
        yield semconv.KEY_ID, search.named
    else:
        yield _EVERYTHING


def _trace(found: Mapping[str, Any]) -> Trace:
    return Trace(str(found["traceID"]), int(found["spans"][0]["startTime"]), found)


def _span(span: Mapping[str, Any], processes: Mapping[str, Any]) -> AuditSpan:
    return AuditSpan(
        trace_id=span["traceID"],
        span_id=span["spanID"],
        parent_span_id=_parent(span),
        start=int(span["startTime"]) * 1000,
        duration=int(span["duration"]) / 1e6,
        service=processes.get(span["processID"], {}).get("serviceName"),
        attributes={tag["key"]: tag["value"] for tag in span["tags"]},
    )


def _parent(span: Mapping[str, Any]) -> str | None:
    for reference in span.get("references") or ():
        if reference.get("refType") == "CHILD_OF":
            return str(reference["spanID"])
    return None
