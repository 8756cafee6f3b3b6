"""A flood of random keys: series, rows and memory stay bounded, and every use is a row (B10)."""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind

import keytrail
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import F1, F2, K1, K2, PEPPER
from support.generated import FULL_SIZE

NUMBER = 100_000 if FULL_SIZE else 1_500
LONGEST_LINE = 4_096
MOST_GROWTH = 24 * 1024 * 1024
"""Bytes by which the process may grow in the second half of the flood; it is measured in steps."""
KNOWN = {K1: "billing", K2: "search"}


class _Measuring(SpanExporter):
    longest = 0

    def export(self, spans: Any) -> SpanExportResult:
        for span in spans:
            attributes = ReadableSpan.to_json(span)
            self.longest = max(self.longest, len(attributes))
        return SpanExportResult.SUCCESS


def _key(number: int) -> str:
    chance = random.Random(number)
    if number % 1000 == 7:
        return random.Random(number).choice(list(KNOWN))
    body = f"{chance.getrandbits(160):040x}"
    if number % 500 == 3:
        return body * 1000
    beginning: str = chance.choice(["", "sk_live_", "ghp_", "sk-proj-", "hvs.", "AKIA", "ey"])
    return beginning + body


def _serve(provider: TracerProvider, number: int) -> None:
    carrier = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "PATH_INFO": "/p"}
    if number % 3:
        carrier |= {"HTTP_X_API_KEY": _key(number), "QUERY_STRING": ""}
    else:
        carrier |= {"QUERY_STRING": "api_key=" + _key(number)}
    context = propagate.extract(carrier)
    span = provider.get_tracer("server").start_span("GET", context, kind=SpanKind.SERVER)
    span.set_attribute("http.status_code", 401)
    span.end()


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """A reader of the process's metrics."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", provider)
    yield reader
    provider.shutdown()


def _uses_series(reader: InMemoryMetricReader) -> list[dict[str, Any]]:
    data: Any = reader.get_metrics_data()
    return [
        dict(point.attributes)
        for resource_metrics in data.resource_metrics
        for scope in resource_metrics.scope_metrics
        for metric in scope.metrics
        if metric.name == "keytrail.uses"
        for point in metric.data.data_points
    ]


def _largest_so_far() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_a_flood_of_random_keys(sampler: Any, tmp_path: Path, series: Any) -> None:
    """Every use is one row; what is kept of strangers' keys does not grow with their number."""
    inventory = tmp_path / "keys.toml"
    inventory.write_text(
        "".join(
            f'[[keys]]\nfingerprint = "{fingerprint}"\nname = "{KNOWN[key]}"\n'
            for key, fingerprint in ((K1, F1), (K2, F2))
        )
    )
    keytrail.instrument(
        Settings(pepper=Secret(PEPPER), home=tmp_path, inventory=inventory, queue_size=NUMBER * 2)
    )
    try:
        exporter = _Measuring()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        audit = active_audit()
        assert audit is not None
        middle = 0
        for number in range(NUMBER):
            _serve(provider, number)
            if number % 1000 == 999:
                assert audit.flush(60)
            if number == NUMBER * 7 // 10:
                middle = _largest_so_far()
        assert audit.flush(60)
        growth = _largest_so_far() - middle
        told = _uses_series(series)
    finally:
        keytrail.uninstrument()
    rows = 0
    fingerprints = set()
    for segment in tmp_path.glob("live/*/*.ndjson"):
        for line in segment.open("rb"):
            use = json.loads(line)
            if use.get("record") is None:
                rows += 1
                fingerprints.add(use["key"])
                assert len(line) < LONGEST_LINE
    strangers = sum(number % 1000 != 7 for number in range(NUMBER))
    assert (rows, len(fingerprints)) == (NUMBER, strangers + len(KNOWN))
    assert exporter.longest < LONGEST_LINE
    assert {one.get("keytrail.key.name") for one in told} == {None, *KNOWN.values()}
    assert len(told) < 20
    assert growth < MOST_GROWTH
