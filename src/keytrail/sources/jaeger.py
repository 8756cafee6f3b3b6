"""Jaeger as a source: its older query API, since the newer one ignores attribute searches.

It finds whole traces, at most ``limit`` for each service, and does not say that there were more: a
window that gave as many as the limit is cut in two.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.sources.http import Http, TooSlowError
from keytrail.sources.source import CannotAnswer
from keytrail.sources.spans import AuditSpan
from keytrail.sources.windows import Window, bisect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from keytrail.sources.address import Address
    from keytrail.sources.source import Filter
    from keytrail.sources.swept import Search

_LIMIT: Final = 1_000
"""Traces asked for at once, unless the address says ``?limit=``."""
_MOST: Final = 10_000
_AHEAD: Final = 5 * 60 * 1_000_000
"""Microseconds by which clocks may be ahead."""
_EVERYTHING: Final = (semconv.SCHEMA_VERSION, semconv.SCHEMA)
_LESS: Final = "hint: ask for less time"
_KEEPS: Final = "as far back as Jaeger has kept its spans, which it does not tell"


class JaegerBackend:
    """Finds spans in one Jaeger."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._http = Http(address)
        self._limit = address.number("limit", _LIMIT)

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the audit spans that may match."""
        search.bounded.append(_KEEPS)
        now = time.time_ns()
        search.begins = search.wanted.since or now - self._address.lookback
        search.ends = search.wanted.until or now
        if search.wanted.traces is not None:
            yield from self._traces(search.wanted.traces)
            return
        whole = Window(search.begins // 1000, (search.wanted.until or now) // 1000 + _AHEAD)
        for service in self._services():
            for tag in _tags(search.wanted):
                yield from self._windows(search, service, tag, whole)

    def _services(self) -> list[str]:
        return sorted(self._ask("/api/services", {}) or ())

    def _windows(
        self, search: Search, service: str, tag: tuple[str, str], whole: Window
    ) -> Iterator[AuditSpan]:
        def ask(window: Window) -> tuple[list[Any], bool]:
            most = _MOST if window.begin >= window.end else self._limit
            try:
                page = self._search(service, tag, window, most)
            except TooSlowError:
                if window.begin >= window.end:
                    raise CannotAnswer(f"{self._address} is too slow\n{_LESS}") from None
                return [], False
            return page, len(page) < most

        for found in bisect(whole, whole.end - whole.begin + 1, ask):
            search.limits.progress(f"{service}: {len(found.page)} traces")
            if not found.whole:
                search.truncated.append(f"{service} has more traces in a microsecond than it tells")
            yield from _spans(found.page)

    def _search(self, service: str, tag: tuple[str, str], window: Window, most: int) -> list[Any]:
        query = {
            "service": service,
            "tags": json.dumps(dict([tag])),
            "start": window.begin,
            "end": window.end,
            "limit": most,
            "raw": "true",
        }
        return self._ask("/api/traces", query) or []

    def _traces(self, traces: tuple[str, ...]) -> Iterator[AuditSpan]:
        for trace in traces:
            yield from _spans(self._ask(f"/api/traces/{trace}", {"raw": "true"}, absent=True) or [])

    def _ask(self, path: str, query: Mapping[str, Any], *, absent: bool = False) -> Any:
        """Return the data of an answer; ``absent``: that it is not found is one."""
        answer = self._http.get(path, query)
        if absent and answer.status_code == 404:
            return None
        return self._http.json(path, answer).get("data")


def _tags(wanted: Filter) -> Iterator[tuple[str, str]]:
    """Yield the searches that find all that may match, each by one attribute.

    Two at once would have to be on one span with some storages, and on any two with others.
    """
    if wanted.keys is not None:
        for key in wanted.keys:
            yield semconv.KEY_HASH, key
            yield semconv.KEY_PREVIOUS_HASH, key
    else:
        yield _EVERYTHING


def _spans(traces: list[Any]) -> Iterator[AuditSpan]:
    for trace in traces:
        for span in trace["spans"]:
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            process = trace["processes"].get(span["processID"], {})
            yield AuditSpan(
                trace_id=span["traceID"],
                span_id=span["spanID"],
                parent_span_id=_parent(span),
                start=int(span["startTime"]) * 1000,
                duration=int(span["duration"]) / 1e6,
                service=process.get("serviceName"),
                attributes=tags,
            )


def _parent(span: Mapping[str, Any]) -> str | None:
    for reference in span.get("references") or ():
        if reference.get("refType") == "CHILD_OF":
            return str(reference["spanID"])
    return None
