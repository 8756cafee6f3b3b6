"""What Tempo's API promises, and where it is silent: caps, order, zeros, late spans.

No Tempo can be built here. This server keeps what OTLP brings it, and answers searches as the
documentation of Tempo 2.8 to 3 says: every cap that it does not announce is in it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from support.otelcol import plain
from support.servers import body_of, listening

SECOND = 10**9
_TERM = re.compile(r'(span|resource)\.([\w.]+) (=~?) ("(?:[^"\\]|\\.)*")')
_LONGEST = 168 * 3600


@dataclass(frozen=True)
class Kept:
    """One span, and when it arrived, Unix seconds."""

    resource: Any
    span: Any
    arrived: float

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Of the span."""
        return plain(self.span.attributes)

    @cached_property
    def trace_id(self) -> str:
        """In hex."""
        return str(self.span.trace_id.hex())


@dataclass
class Tempo:
    """What the server keeps, and how it misbehaves."""

    port: int = 0
    kept: list[Kept] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    """The conditions of the searches."""
    arrival: float | None = None
    """Where set, spans arrive at this time, Unix seconds; else at their own."""
    slack: float = 120
    """Seconds by which a span may be late and still widen the time of its block."""
    knows_parents: bool = True
    cap: int = 10**9
    """Traces that a search gives at most, without a word, such as a gateway's."""
    most: int = 262_144
    """The greatest limit that is not refused."""
    gives_v2: bool = True
    """Tempo before 2.7 has no ``/api/v2/traces``."""
    stores_traces: bool = True
    jobs: tuple[int, int] = (4, 4)
    partial: bool = False
    too_large: bool = False
    """Traces are refused whole: 422 is what later versions say."""
    shuffle: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def address(self) -> str:
        """The source to ask."""
        return f"tempo+http://127.0.0.1:{self.port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep the spans of a request."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    own = span.end_time_unix_nano / SECOND
                    arrived = own if self.arrival is None else self.arrival
                    self.kept.append(Kept(resource.resource, span, arrived))

    def search(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer ``/api/search``."""
        begin, end = int(query["start"]), int(query["end"])
        limit, shown = int(query.get("limit", 20)), int(query.get("spss", 3))
        if end - begin > _LONGEST + 1:
            return 400, "range specified by start and end exceeds 168h0m0s"
        if limit > self.most:
            return 400, f"limit {limit} exceeds max_result_limit {self.most}"
        if shown > 100:
            return 400, "spans per span set exceeds 100"
        if "span:parentID" in query["q"] and not self.knows_parents:
            return 400, "parse error: unknown identifier: span:parentID"
        self.searched.append(query["q"].partition(" | select")[0])
        matching = _condition(query["q"])
        found: dict[bytes, list[Kept]] = {}
        for one in self.kept:
            if self._in(one, begin, end) and matching(one):
                found.setdefault(one.span.trace_id, []).append(one)
        traces = [*found.items()]
        self.shuffle.shuffle(traces)
        selected = _selected(query["q"])
        done, total = self.jobs
        return 200, {
            "traces": [_trace(*one, selected, shown) for one in traces[: min(limit, self.cap)]],
            "metrics": {"completedJobs": done, "totalJobs": total},
        }

    def _in(self, one: Kept, begin: int, end: int) -> bool:
        """A late span lies in a block whose time is that of its arrival."""
        own = one.span.start_time_unix_nano / SECOND
        moment = one.arrived if one.arrived - own > self.slack else own
        return begin <= moment <= end

    def trace(self, path: str) -> bytes | None:
        """Answer ``/api/traces/…`` in protobuf; ``None`` where there is no such trace, or path."""
        v2 = path.startswith("/api/v2/")
        trace_id = path.rpartition("/")[2].rjust(32, "0")
        spans = [one for one in self.kept if one.trace_id == trace_id and self.stores_traces]
        if not spans or v2 > self.gives_v2:
            return None
        data = TracesData()
        for one in spans[: len(spans) // 2 or 1] if self.partial else spans:
            resource = data.resource_spans.add()
            resource.resource.CopyFrom(one.resource)
            resource.scope_spans.add().spans.append(one.span)
        body = bytes(data.SerializeToString())
        if not v2:
            return body
        status = b"\x18\x01" if self.partial else b""
        return b"\x0a" + _varint(len(body)) + body + status


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _condition(query: str) -> Callable[[Kept], bool]:
    """Read ``{ a = "x" && (b = "y" || c =~ "z") } | …``."""
    rest = query[query.index("{") + 1 :]
    either: list[list[_Term]] = []
    for part in rest[: re.search(r"\}\s*(\||$)", rest).start()].split("&&"):  # type: ignore[union-attr]
        assert not _TERM.sub("", part).strip(" ()|"), f"no TraceQL: {part}"
        either.append([_Term(*found) for found in _TERM.findall(part)])
    return lambda one: all(any(term.holds(one) for term in terms) for terms in either)


class _Term(NamedTuple):
    scope: str
    name: str
    operator: str
    value: str

    def holds(self, one: Kept) -> bool:
        """Tell whether a span has it; a regular expression is of the whole value."""
        told = one.attributes if self.scope == "span" else plain(one.resource.attributes)
        value, wanted = told.get(self.name), json.loads(self.value)
        if self.operator == "=~":
            return isinstance(value, str) and re.fullmatch(wanted, value) is not None
        return bool(value == wanted)


def _selected(query: str) -> set[str]:
    names = re.search(r"select\((.*)\)", query)
    return {name.strip().removeprefix("span.") for name in names[1].split(",")} if names else set()


def _trace(trace_id: bytes, spans: list[Kept], selected: set[str], shown: int) -> dict[str, Any]:
    return {
        "traceID": trace_id.hex().lstrip("0"),
        "startTimeUnixNano": str(min(one.span.start_time_unix_nano for one in spans)),
        "spanSets": [
            {
                "spans": [_span(one, selected) for one in spans[:shown]],
                "matched": len(spans),
            }
        ],
    }


def _span(one: Kept, selected: set[str]) -> dict[str, Any]:
    attributes = {**one.attributes, "service.name": plain(one.resource.attributes)["service.name"]}
    told = [
        {"key": name, "value": _json(value)}
        for name, value in attributes.items()
        if name in selected or f"resource.{name}" in selected
    ]
    if "span:parentID" in selected and one.span.parent_span_id:
        parent = {"stringValue": one.span.parent_span_id.hex()}
        told.append({"key": "span:parentID", "value": parent})
    return {
        "spanID": one.span.span_id.hex(),
        "startTimeUnixNano": str(one.span.start_time_unix_nano),
        "durationNanos": str(one.span.end_time_unix_nano - one.span.start_time_unix_nano),
        "attributes": told,
    }


def _json(value: Any) -> dict[str, Any]:
    """What is zero, empty or false is left out."""
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json(one) for one in value]}}
    if not value:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


@contextmanager
def tempo() -> Iterator[Tempo]:
    """Run the server."""
    kept = Tempo()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = body_of(self)
            kept.take(ExportTraceServiceRequest.FromString(body))
            self._answer(200, b"")

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            kept.requests.append((parts.path, dict(self.headers.items())))
            if parts.path == "/api/search":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                status, answer = kept.search(query)
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self._answer(status, text.encode())
            else:
                trace = kept.trace(parts.path)
                status = 404 if trace is None else 422 if kept.too_large else 200
                self._answer(status, trace or b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as kept.port:
        yield kept
