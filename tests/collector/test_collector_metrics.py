"""Metrics of the audit spans: exact counts, in a bounded number of series."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from keytrail.collector import measuring, program
from keytrail.collector.fragment import as_text
from support.cases import K1
from support.otelcol import (
    COLLECTOR,
    Collector,
    binary,
    collector,
    eventually,
    post,
    receiver,
    scraped,
    span,
    traces,
)
from support.services import clean_environ

SHIPPED = Path(__file__).parents[2] / "collector-config"
STANDALONE = SHIPPED / "standalone.yaml"
LABEL = re.compile(r'(\w+)="([^"]*)"')


def use(number: int, **more: Any) -> Any:
    told = {
        "keytrail.schema_version": "1.0",
        "keytrail.direction": "incoming",
        "keytrail.outcome": ("success", "denied", "error")[number % 3],
        "keytrail.key.provider": "self",
        "keytrail.key.name": f"customer-{number % 2}",
    }
    return span(number, {**told, **{f"keytrail.{name}": value for name, value in more.items()}})


def samples(running: Collector, name: str) -> Counter[tuple[str, ...]]:
    """Return the sum of a metric by outcome and name of the key."""
    found: Counter[tuple[str, ...]] = Counter()
    for sample, value in scraped(running.metrics).items():
        if sample.partition("{")[0] == name:
            labels = dict(LABEL.findall(sample))
            found[labels["keytrail_outcome"], labels["keytrail_key_name"]] += int(value)
    return found


def test_uses_and_latency_are_counted_by_key_and_outcome(tmp_path: Path) -> None:
    """Every use of thirty requests is in its series, and its five milliseconds are too."""
    with collector(tmp_path, [STANDALONE], KEYTRAIL_KEY_NAMES="customer-.*") as running:
        for start in range(0, 3000, 100):
            body = traces(*(use(number) for number in range(start, start + 100)))
            assert post(running.port, "/v1/traces", body) == 200
        outcomes = ("success", "denied", "error")
        expected = Counter(
            (outcomes[number % 3], f"customer-{number % 2}") for number in range(3000)
        )
        eventually(lambda: samples(running, "keytrail_uses_total") == expected)
        assert samples(running, "keytrail_duration_seconds_count") == expected
        labels = {
            name
            for sample in scraped(running.metrics)
            if sample.startswith("keytrail_uses_total")
            for name, _ in LABEL.findall(sample)
        }
        assert labels >= {
            "service_name",
            "keytrail_direction",
            "keytrail_key_name",
            "keytrail_key_provider",
            "keytrail_outcome",
        }


def test_names_are_capped_before_they_are_series(tmp_path: Path) -> None:
    """Names that are not wished for are one series, and none of their uses is missing."""
    with collector(tmp_path, [STANDALONE], KEYTRAIL_KEY_NAMES="shop|erp") as running:
        names = ["shop", "erp", *(f"stranger-{number}" for number in range(500))]
        spans = [use(3 * number, **{"key.name": name}) for number, name in enumerate(names, 1)]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        expected = {("success", "shop"): 1, ("success", "erp"): 1, ("success", "_other"): 500}
        eventually(lambda: samples(running, "keytrail_uses_total") == expected)


def test_without_a_list_all_names_are_one_series(tmp_path: Path) -> None:
    """Names that nobody listed are no series of their own, as the configuration is shipped."""
    with collector(tmp_path, [STANDALONE]) as running:
        spans = [use(3 * number, **{"key.name": f"name-{number}"}) for number in range(1, 501)]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        eventually(lambda: samples(running, "keytrail_uses_total") == {("success", "_other"): 500})


def test_the_names_of_an_inventory_are_series(tmp_path: Path) -> None:
    """What an inventory names is a series, whatever characters it has, and nothing else is."""
    names = ["billing, production", "corvo-coffee", "a|b", "x}$y"]
    capped = tmp_path / "capped.yaml"
    capped.write_text(as_text(measuring.series_for(names)))
    with collector(tmp_path, [STANDALONE, capped]) as running:
        spans = [
            use(3 * number, **{"key.name": name})
            for number, name in enumerate([*names, "a", "billing", "stranger"], 1)
        ]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        expected = {**{("success", name): 1 for name in names}, ("success", "_other"): 3}
        eventually(lambda: samples(running, "keytrail_uses_total") == expected)


def test_a_flood_of_names_is_bounded(tmp_path: Path) -> None:
    """Where every name may be a series, a number bounds them."""
    some = {"KEYTRAIL_KEY_NAMES": ".*", "KEYTRAIL_METRICS_SERIES": "50"}
    with collector(tmp_path, [STANDALONE], **some) as running:
        spans = [use(number, **{"key.name": f"name-{number}"}) for number in range(1, 1001)]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200

        def series() -> list[float]:
            found = scraped(running.metrics)
            return [found[name] for name in found if name.startswith("keytrail_uses_total")]

        eventually(lambda: sum(series()) == 1000)
        assert len(series()) <= 51


def test_raw_keys_in_telemetry_are_counted(tmp_path: Path) -> None:
    """A span in which a raw key was found is on the metric that alerts."""
    with (
        receiver() as sink,
        collector(tmp_path, [STANDALONE], KEYTRAIL_ORDINARY_ENDPOINT=sink.url) as running,
    ):
        spans = [span(number, {"note": f"used {K1}"}) for number in range(1, 8)]
        assert post(running.port, "/v1/traces", traces(*spans, span(9), span(10))) == 200

        def counted() -> float:
            found = scraped(running.metrics)
            return sum(
                found[name] for name in found if name.startswith("keytrail_raw_keys_spans_total")
            )

        eventually(lambda: counted() == 7)


def test_alerts_use_metrics_that_there_are(tmp_path: Path) -> None:
    """Every metric and label that an alert names is one that a Collector has shown."""
    rules = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"][0]["rules"]
    named = {
        name
        for rule in rules
        for name in re.findall(r"\b(?:keytrail|otelcol)_\w+(?=[\[{])", rule["expr"])
    }
    with (
        receiver() as sink,
        collector(
            tmp_path,
            [STANDALONE],
            KEYTRAIL_AUDIT_ENDPOINT=sink.url,
            KEYTRAIL_ORDINARY_ENDPOINT=sink.url,
        ) as running,
    ):
        sink.status = 500
        logs = _logs_with(K1)
        assert post(running.port, "/v1/traces", traces(use(1), span(2, {"x": f"is {K1}"}))) == 200
        assert post(running.port, "/v1/logs", logs) == 200

        def shown() -> set[str]:
            both = [*scraped(running.metrics), *scraped(running.telemetry)]
            return {sample.partition("{")[0].removesuffix("_total") for sample in both}

        def labels() -> set[str]:
            return {
                label for sample in scraped(running.metrics) for label, _ in LABEL.findall(sample)
            }

        grouped = {
            label.strip()
            for rule in rules
            for listed in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for label in listed.split(",")
        }
        eventually(lambda: grouped <= labels())
        # The Collector's own names end in _total or not, as its version has it.
        eventually(lambda: {name.removesuffix("_total") for name in named} <= shown())


def _logs_with(key: str) -> bytes:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = f"refused {key}"
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("name", ["remote-write", "otlp"])
def test_metrics_can_go_elsewhere(name: str, tmp_path: Path) -> None:
    """The Collector takes the fragments that send the metrics instead of waiting for a scrape."""
    otelcol = binary(COLLECTOR, "make collector")
    files = [STANDALONE, SHIPPED / "metrics" / f"{name}.yaml"]
    assert program.validate(otelcol, files, clean_environ()) == []
