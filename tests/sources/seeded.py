"""The same uses for every source: as a journal, and as the spans that services send."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from keytrail.journal.columns import COLUMNS, OF_ATTRIBUTE
from store.segment_kit import SECOND
from store.segment_kit import use as line
from support.cases import F1, F2
from support.otelcol import key_values

MINUTE = 60 * SECOND
F3, F4, OLD = "f3" * 32, "04" * 32, "0a" * 32
NOW = time.time_ns() // MINUTE * MINUTE
BEGIN = NOW - 100 * MINUTE
_ATTRIBUTE = {column: attribute for attribute, column in OF_ATTRIBUTE.items()}
_ROTATED = {"keytrail.key.previous_hash": OLD}


def uses() -> list[dict[str, Any]]:
    """Return uses of five keys in three services over a hundred minutes, some in one trace."""
    return [*_ordinary(), *_chains(), *_odd()]


def _use(number: int, minute: float, **columns: Any) -> dict[str, Any]:
    moment = BEGIN + int(minute * MINUTE) + number
    return line(number, **{"time": moment, "pepper_id": "8805e1a2", **columns})


def _ordinary() -> list[dict[str, Any]]:
    outcomes = (("success", 200), ("denied", 401), ("error", 500), ("rate_limited", 429))
    return [
        _use(
            number,
            number * 0.3,
            key=(F1, F2, F3)[number % 3],
            service=("shop", "billing")[number % 2],
            client=f"192.0.2.{number % 7}",
            route=("/orders/{id}", "/pay")[number % 5 == 0],
            outcome=outcomes[number % 4 if number % 8 < 4 else 0][0],
            status=outcomes[number % 4 if number % 8 < 4 else 0][1],
            duration=0.001 * (1 + number % 50),
            owner=("acme", None)[number % 2],
            error=None,
        )
        for number in range(240)
    ]


def _chains() -> list[dict[str, Any]]:
    """Return calls of the shop, each of which sends a key of its own to stock."""
    found = []
    for number in range(300, 320):
        trace, minute = f"{number:032x}", number - 295
        own = {"trace_id": trace, "key": F4, "key_name": "stock key", "provider": "stripe"}
        sent = {**own, "parent_span_id": f"{number:x}01".rjust(16, "0"), "host": "stock.internal"}
        found += [
            _use(number, minute, trace_id=trace, span_id=f"{number:x}01".rjust(16, "0")),
            _use(
                number + 100,
                minute,
                **{**sent, "direction": "outgoing", "client": None, "route": None},
                span_id=f"{number:x}02".rjust(16, "0"),
                findings=["wrong_host", "redirected"],
            ),
            _use(
                number + 200,
                minute,
                **{**own, "service": "stock", "client": "10.0.0.1", "route": "/stock"},
                span_id=f"{number:x}03".rjust(16, "0"),
                parent_span_id=f"{number:x}02".rjust(16, "0"),
            ),
        ]
    return found


def _odd() -> list[dict[str, Any]]:
    """Return what needs care: no key, a rotated pepper, public ids, other hashes, small ids."""
    return [
        _use(700, 50, key=None, outcome="denied", status=401, pepper_id=None),
        _use(701, 10, key=OLD, pepper_id="aaaaaaaa"),
        _use(702, 60, key=F3, attributes=_ROTATED),
        _use(703, 61, key=F2, key_id="AKIAIOSFODNN7EXAMPLE"),
        _use(704, 62, key=F2, attributes={"keytrail.redacted_hashes": [F1, F3]}),
        _use(705, 63, key=F2, attributes={"keytrail.key.other_hashes": [F1]}),
        _use(706, 64, trace_id="0" * 16 + "00000000000000ab", span_id="00000000000000cd"),
    ]


def running() -> list[dict[str, Any]]:
    """Return what was told of some of the uses while they ran, under ids that they have too."""
    told: dict[str, Any] = {"outcome": "unknown", "duration": 0.0001}
    others = {
        30: {},
        31: {"route": "/orders/31"},
        32: {"owner": "nobody"},
        40: {"key_name": "for now"},
        45: {"key_id": "AKIAFORNOW"},
    }
    ordinary = _ordinary()
    return [
        {
            name: value
            for name, value in {**ordinary[n], **told, **columns}.items()
            if name not in _AT_END
        }
        for n, columns in others.items()
    ]


_AT_END = ("status", "error", "findings")


def journal(home: Path) -> Path:
    """Write the uses as a journal, and return its home."""
    path = home / "live" / "2025-11-25" / "host-1-1.ndjson"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(use) + "\n" for use in [*running(), *uses()]))
    return home


def requests() -> list[bytes]:
    """Return the uses as OTLP: in several requests, some spans three times, among other spans."""
    spans = [(use["service"], _span(use)) for use in uses()]
    early = [(use["service"], _span(use)) for use in running()]
    repeated = [*early, *spans, *spans[::10], *spans[::10], *_others()]
    return [_request(repeated[begin : begin + 100]) for begin in range(0, len(repeated), 100)]


def _others() -> list[tuple[str, Span]]:
    """Return spans that are no uses: of the same traces, and of others."""
    return [
        (
            "shop",
            Span(
                trace_id=(number % 400).to_bytes(16, "big"),
                span_id=(10**6 + number).to_bytes(8, "big"),
                name="SELECT",
                start_time_unix_nano=BEGIN + number * SECOND,
                end_time_unix_nano=BEGIN + number * SECOND + 5000,
            ),
        )
        for number in range(1, 200)
    ]


def _request(spans: list[tuple[str, Span]]) -> bytes:
    message = ExportTraceServiceRequest()
    for service in sorted({service for service, _ in spans}):
        resource = message.resource_spans.add()
        resource.resource.attributes.extend(key_values({"service.name": service}))
        of_service = [span for its, span in spans if its == service]
        resource.scope_spans.add().spans.extend(of_service)
    return bytes(message.SerializeToString())


def _span(use: dict[str, Any]) -> Span:
    attributes = {
        "keytrail.schema_version": "1.0",
        **{
            _ATTRIBUTE[column]: use[column]
            for column in COLUMNS
            if column in _ATTRIBUTE and column in use
        },
        **use.get("attributes", {}),
    }
    incoming = use["direction"] == "incoming"
    return Span(
        trace_id=bytes.fromhex(use["trace_id"]),
        span_id=bytes.fromhex(use["span_id"]),
        parent_span_id=bytes.fromhex(use.get("parent_span_id", "")),
        name=use.get("route", "GET"),
        kind=Span.SPAN_KIND_SERVER if incoming else Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=use["time"],
        end_time_unix_nano=use["time"] + round(use["duration"] * 1e9),
        attributes=key_values(attributes),
    )
