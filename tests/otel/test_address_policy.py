"""The address policy on ordinary spans: every attribute of both conventions that holds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from keytrail.otel import Audit, RedactingSpanExporter, RedactingSpanProcessor
from keytrail.otel.addresses import FORWARDING, OF_CLIENT, AddressPolicy
from keytrail.settings import Secret, Settings
from support.cases import PEPPER
from support.exporters import SerialisingExporter

HELD: dict[str, Any] = {
    **dict.fromkeys(OF_CLIENT, "198.51.100.77"),
    "http.request.header.x_forwarded_for": (
        "198.51.100.77, 2001:db8:1:2::9",
        "_hidden, 1.2.3.4:80",
    ),
    "http.request.header.x-forwarded-for": ("198.51.100.77",),
    "http.request.header.forwarded": ('for="[2001:db8:1:2::9]:80";proto=https, for=unknown',),
    "rpc.request.metadata.x-real-ip": ("198.51.100.77:5000",),
    "http.request.header.user_agent": ("curl/8 (198.51.100.77)",),
    "server.address": "198.51.100.1",
    "net.host.ip": "198.51.100.1",
}
STAYS = {
    "http.request.header.user_agent": ["curl/8 (198.51.100.77)"],
    "server.address": "198.51.100.1",
    "net.host.ip": "198.51.100.1",
}
HEADERS = {
    "http.request.header.x_forwarded_for": ["198.51.100.0, 2001:db8:1::", "unknown, 1.2.3.0"],
    "http.request.header.x-forwarded-for": ["198.51.100.0"],
    "http.request.header.forwarded": ['for="[2001:db8:1::]", for=unknown'],
    "rpc.request.metadata.x-real-ip": ["198.51.100.0"],
}


class _Foreign(SpanProcessor):
    def __init__(self, exporter: SerialisingExporter) -> None:
        self._exporter = exporter

    def on_end(self, span: ReadableSpan) -> None:
        self._exporter.export([span])


def _exported(
    home: Path, policy: Literal["full", "truncated", "none"], kind: SpanKind
) -> list[dict[str, Any]]:
    """Return the attributes of one span, as an exporter and as a foreign processor get them."""
    audit = Audit(Settings(pepper=Secret(PEPPER), home=home, client_address=policy))
    provider = TracerProvider(
        shutdown_on_exit=False, span_limits=SpanLimits(max_attributes=len(HELD))
    )
    exporters = SerialisingExporter(), SerialisingExporter()
    provider.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(exporters[0], audit)))
    provider.add_span_processor(RedactingSpanProcessor(_Foreign(exporters[1]), audit))
    with provider.get_tracer("app").start_as_current_span("s", kind=kind, attributes=HELD) as span:
        span.add_event("seen", {"n": 1})
    audit.close()
    told = [exporter.spans[0] for exporter in exporters]
    assert all(one["events"][0]["attributes"] == {"n": 1} for one in told)
    return [one["attributes"] for one in told]


def _as_json(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in attributes.items()
    }


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CONSUMER])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("full", _as_json(HELD)),
        ("truncated", {**dict.fromkeys(OF_CLIENT, "198.51.100.0"), **HEADERS, **STAYS}),
        ("none", STAYS),
    ],
)
def test_a_span_of_a_server_tells_no_more_than_the_policy_allows(
    policy: Literal["full", "truncated", "none"],
    expected: dict[str, Any],
    kind: SpanKind,
    tmp_path: Path,
) -> None:
    """In either convention, in captured headers, and where a server inside another one tells it."""
    for told in _exported(tmp_path, policy, kind):
        assert told == expected


def test_a_client_span_keeps_the_address_of_whom_it_called(tmp_path: Path) -> None:
    """Only the headers that it passes on hold the client's."""
    for told in _exported(tmp_path, "truncated", SpanKind.CLIENT):
        assert told == {**dict.fromkeys(OF_CLIENT, "198.51.100.77"), **HEADERS, **STAYS}


def test_spans_that_hold_no_address_pass_as_they_are() -> None:
    """The very same objects, under every policy."""
    provider = TracerProvider(shutdown_on_exit=False)
    span: Any = provider.get_tracer("app").start_span("s", attributes={"a": 1})
    span.end()
    assert AddressPolicy("none").spans([span])[0] is span
    batch = [span]
    assert AddressPolicy("full").spans(batch) is batch


@pytest.mark.parametrize("value", ["testclient", "", 7, ("198.51.100.77",), "198.51.100.77.5"])
def test_what_is_no_address_is_not_told_in_part(value: Any) -> None:
    """Truncated or not at all."""
    held = {"client.address": value, "http.request.header.x_real_ip": value}
    kept = AddressPolicy("truncated").attributes(held, outgoing=False)
    assert "client.address" not in kept
    assert "77" not in str(kept)


def test_ten_thousand_entries_of_a_captured_header_are_bounded() -> None:
    """The last ones are told, as many as are ever looked at."""
    (name,) = held = {"http.request.header.x_forwarded_for": ("198.51.100.77," * 10_000,)}
    kept = AddressPolicy("truncated").attributes(held, outgoing=False)[name]
    assert len(kept) == 1
    assert len(kept[0]) < 1000
    assert {"forwarded", "x-forwarded-for", "x-real-ip"} <= FORWARDING
