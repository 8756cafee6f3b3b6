"""Metric attributes and exemplars: redacted at the measurement, and once more when collected."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.otel import measurements
from keytrail.redaction import collected
from keytrail.redaction.redactor import Redactor
from keytrail.settings import Secret, Settings
from redaction.redaction_kit import leaks, remember
from support.cases import K1, K2, PEPPER
from support.servers import http_server

SHAPELESS = "shop-9c41e07a5b3d"
GITHUB = "ghp_" + "a1B2" * 9


class _Wire(MetricExporter):
    """Serialises what it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = b""

    def export(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> Any:
        self.wire += encode_metrics(metrics_data).SerializeToString()
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
        pass


@pytest.fixture
def active(tmp_path: Path) -> Iterator[None]:
    """Keytrail is active in this process."""
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=tmp_path))
    yield
    keytrail.uninstrument()


def _know(*keys: str) -> None:
    audit = active_audit()
    assert audit is not None
    remember(audit.memory, *keys)


def _provider(exporter: MetricExporter | None = None, **options: Any) -> tuple[MeterProvider, Any]:
    reader: Any = (
        InMemoryMetricReader()
        if exporter is None
        else PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    )
    return MeterProvider([reader], shutdown_on_exit=False, **options), reader


def _points(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    assert data is not None
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


@pytest.mark.parametrize("first", ["provider", "keytrail"])
def test_every_instrument_of_every_provider(first: str, tmp_path: Path) -> None:
    """Providers and instruments made before and after activation are covered, callbacks too."""

    def build() -> tuple[Any, InMemoryMetricReader]:
        provider, reader = _provider()
        meter = provider.get_meter("shop")
        meter.create_observable_gauge("g", [lambda _: [api.Observation(1, {"note": GITHUB})]])
        return (
            meter.create_counter("c"), meter.create_up_down_counter("u"),
            meter.create_histogram("h"), meter.create_gauge("v"),
        ), reader  # fmt: skip

    settings = Settings(pepper=Secret(PEPPER), home=tmp_path)
    try:
        if first == "keytrail":
            keytrail.instrument(settings)
        (counter, up_down, histogram, gauge), reader = build()
        keytrail.instrument(settings)
        _know(SHAPELESS)
        counter.add(1, {"url": "http://h/?api_key=abc&page=2"})
        up_down.add(1, {"customer": SHAPELESS, "n": 7})
        histogram.record(1, {"api_key": "abc", "tags": ["a", SHAPELESS]})
        gauge.set(1, {SHAPELESS: "x", "author": "y"})
        found = sorted((dict(point.attributes) for point in _points(reader)), key=repr)
    finally:
        keytrail.uninstrument()
    assert found == sorted(
        [
            {"url": "http://h/?api_key=REDACTED&page=2"},
            {"customer": "REDACTED", "n": 7},
            {"api_key": "REDACTED", "tags": ("a", "REDACTED")},
            {"REDACTED": "x", "author": "y"},
            {"note": "REDACTED"},
        ],
        key=repr,
    )


def test_urllib_puts_no_key_into_metrics(active: None) -> None:
    """Stock urllib instrumentation's URL attribute leaves without the key, over OTLP."""
    exporter = _Wire()
    provider, _ = _provider(exporter)
    instrumentor = URLLibInstrumentor()
    instrumentor.instrument(meter_provider=provider, tracer_provider=TracerProvider())
    try:
        with http_server() as server:
            urllib.request.urlopen(f"{server.url}/p?color=blue&api_key={K1}").read()
    finally:
        instrumentor.uninstrument()
    provider.force_flush()
    assert b"http.client.duration" in exporter.wire
    assert b"api_key=REDACTED" in exporter.wire
    assert leaks(exporter.wire, K1) == []


def test_redaction_precedes_aggregation(active: None) -> None:
    """Measurements that differ in their key alone are one series."""
    provider, reader = _provider()
    counter = provider.get_meter("shop").create_counter("c")
    for number in range(50):
        counter.add(1, {"url": f"http://h/?api_key=key-{number}"})
    (point,) = _points(reader)
    assert (dict(point.attributes), point.value) == ({"url": "http://h/?api_key=REDACTED"}, 50)


def test_exemplars_of_dropped_attributes(active: None) -> None:
    """What a user's view drops stays dropped, and what its exemplars keep is redacted."""
    provider, reader = _provider(
        views=[View(instrument_name="c", attribute_keys={"kept"})],
        exemplar_filter=AlwaysOnExemplarFilter(),
    )
    counter = provider.get_meter("shop").create_counter("c")
    counter.add(1, {"kept": "a", "url": "http://h/?token=abc", "page": 2})
    (point,) = _points(reader)
    assert dict(point.attributes) == {"kept": "a"}
    assert [dict(one.filtered_attributes) for one in point.exemplars] == [
        {"url": "http://h/?token=REDACTED", "page": 2}
    ]


def test_key_that_became_known_later(active: None) -> None:
    """A set that was clean when it was measured is redacted when it is collected."""
    provider, reader = _provider()
    counter = provider.get_meter("shop").create_counter("c")
    counter.add(1, {"customer": SHAPELESS})
    _know(SHAPELESS)
    counter.add(1, {"customer": SHAPELESS})
    assert [dict(point.attributes) for point in _points(reader)] == [{"customer": "REDACTED"}]


def test_key_of_the_measurements_own_trace(active: None) -> None:
    """The keys of the trace that is running count, though the ring has forgotten them."""
    audit = active_audit()
    assert audit is not None
    provider, reader = _provider()
    counter = provider.get_meter("shop").create_counter("c")
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        audit.memory.bind(span.get_span_context().trace_id, remember(audit.memory, SHAPELESS))
        remember(audit.memory, *(f"other-key-{number}" for number in range(100)))
        counter.add(1, {"customer": SHAPELESS})
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert [dict(point.attributes) for point in _points(reader)] == [{"customer": "REDACTED"}]


def test_resource_scope_and_names(active: None) -> None:
    """Resource, scope, metric name and description hold no known key, and are else the same."""
    _know(K1, K2)
    exporter = _Wire()
    provider, _ = _provider(exporter, resource=Resource({"service.name": "shop", "note": K1}))
    meter = provider.get_meter(f"lib {K1}", K2, attributes={"a": K1})
    meter.create_counter("orders", description=f"of {K2}").add(1)
    provider.force_flush()
    assert b"orders" in exporter.wire
    assert b"shop" in exporter.wire
    assert [leaks(exporter.wire, key) for key in (K1, K2)] == [[], []]


def test_clean_measurements_are_passed_as_they_are(
    active: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attribute set is judged once, whoever measures it; nothing is copied."""
    judged: list[Any] = []
    original = Redactor.attributes

    def counting(self: Redactor, attributes: Any, *args: Any, **kwargs: Any) -> Any:
        judged.append(attributes)
        return original(self, attributes, *args, **kwargs)

    monkeypatch.setattr(Redactor, "attributes", counting)
    provider, _ = _provider()
    meter = provider.get_meter("shop")
    for name in ("a", "b"):
        for _ in range(10):
            meter.create_counter(name).add(1, {"http.route": "/items/{id}", "n": 200})
    assert [dict(one) for one in judged] == [{"http.route": "/items/{id}", "n": 200}]


def test_remembered_verdicts_are_bounded(active: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many attribute sets come, no more than allowed are remembered."""
    monkeypatch.setattr(measurements, "MOST_REMEMBERED", 10)
    seen: list[int] = []
    original = measurements.RedactedMeasurements._verdict

    def watching(self: Any, *args: Any) -> Any:
        passed = original(self, *args)
        seen.append(len(self._verdicts))
        return passed

    monkeypatch.setattr(measurements.RedactedMeasurements, "_verdict", watching)
    counter = _provider()[0].get_meter("shop").create_counter("c")
    for number in range(100):
        counter.add(1, {"n": number})
    assert max(seen) == 10


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Redactor, "attributes"),
        (measurements.RedactedMeasurements, "_verdict"),
        (measurements.RedactedMeasurements, "_judged"),
        (collected, "redacted"),
        (collected, "_point"),
    ],
)
def test_a_fault_drops_attributes_and_never_the_redaction(
    active: None, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """Whatever fails, the application's call returns, no key is exported, and it is counted."""

    def broken(*_args: Any, **_options: Any) -> Any:
        raise RuntimeError(K1)

    faults.reraise = False
    before = sum(faults.counts().values())
    exporter = _Wire()
    provider, _ = _provider(exporter)
    monkeypatch.setattr(owner, name, broken)
    provider.get_meter("shop").create_counter("c").add(1, {"url": f"http://h/?api_key={K1}"})
    provider.force_flush()
    assert leaks(exporter.wire, K1) == []
    assert sum(faults.counts().values()) > before


def test_uninstrumenting_takes_the_seam_out(tmp_path: Path) -> None:
    """Afterwards the SDK's storage is as it was."""
    storage: Any = measurements.reader_storage()
    before = storage.consume_measurement, storage.collect
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=tmp_path))
    assert storage.consume_measurement is not before[0]
    keytrail.uninstrument()
    assert (storage.consume_measurement, storage.collect) == before
