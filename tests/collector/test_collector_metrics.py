"""Metrics of the audit spans: exact counts, in a bounded number of series."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from keytrail.collector import measuring
from keytrail.collector.fragment import as_text
from support.cases import K1
from support.otelcol import (
    Collector,
    collector,
    key_values,
    of_prometheus,
    plain,
    post,
    receiver,
    scraped,
    span,
    traces,
)
from support.services import free_port
from support.waiting import eventually

SHIPPED = Path(__file__).parents[2] / "collector-config"
STANDALONE = SHIPPED / "standalone.yaml"
OFTEN = "yaml:connectors::span_metrics/keytrail::metrics_flush_interval: 200ms"
"""Every five seconds is what is shipped."""
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
        eventually(lambda: samples(running, "keytrail_duration_seconds_count") == expected)
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
    with collector(tmp_path, [STANDALONE, OFTEN], KEYTRAIL_KEY_NAMES="shop|erp") as running:
        names = ["shop", "erp", *(f"stranger-{number}" for number in range(500))]
        spans = [use(3 * number, **{"key.name": name}) for number, name in enumerate(names, 1)]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        expected = {("success", "shop"): 1, ("success", "erp"): 1, ("success", "_other"): 500}
        eventually(lambda: samples(running, "keytrail_uses_total") == expected)


def test_without_a_list_all_names_are_one_series(tmp_path: Path) -> None:
    """Names that nobody listed are no series of their own, as the configuration is shipped."""
    with collector(tmp_path, [STANDALONE, OFTEN]) as running:
        spans = [use(3 * number, **{"key.name": f"name-{number}"}) for number in range(1, 501)]
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        eventually(lambda: samples(running, "keytrail_uses_total") == {("success", "_other"): 500})


def test_the_names_of_an_inventory_are_series(tmp_path: Path) -> None:
    """What an inventory names is a series, whatever characters it has, and nothing else is."""
    names = ["billing, production", "corvo-coffee", "a|b", "x}$y"]
    capped = tmp_path / "capped.yaml"
    capped.write_text(as_text(measuring.series_for(names)))
    with collector(tmp_path, [STANDALONE, capped, OFTEN]) as running:
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
    with collector(tmp_path, [STANDALONE, OFTEN], **some) as running:
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
        collector(tmp_path, [STANDALONE, OFTEN], KEYTRAIL_ORDINARY_ENDPOINT=sink.url) as running,
    ):
        spans = [span(number, {"note": f"used {K1}"}) for number in range(1, 8)]
        assert post(running.port, "/v1/traces", traces(*spans, span(9), span(10))) == 200

        def counted() -> float:
            found = scraped(running.metrics)
            return sum(
                found[name] for name in found if name.startswith("keytrail_raw_keys_spans_total")
            )

        eventually(lambda: counted() == 7)


def test_raw_keys_that_come_at_once_are_all_counted(tmp_path: Path) -> None:
    """Whatever the times of spans and log records, and however they come, each is counted."""
    dice = random.Random(7)
    with (
        receiver() as sink,
        collector(tmp_path, [STANDALONE, OFTEN], KEYTRAIL_ORDINARY_ENDPOINT=sink.url) as running,
        ThreadPoolExecutor(8) as senders,
    ):
        starts = [dice.randrange(1_700_000_000_000_000_000) for _ in range(500)]
        spans = [
            traces(span(number, {"note": f"used {K1}"}, start=start))
            for number, start in enumerate(starts, 1)
        ]
        logs = [_logs_with(K1)] * len(spans)
        for path, bodies in (("/v1/traces", spans), ("/v1/logs", logs)):
            taken = senders.map(lambda body: post(running.port, path, body), bodies)  # noqa: B023
            assert set(taken) == {200}

        def counted(signal: str) -> float:
            found = scraped(running.metrics)
            name = f"keytrail_raw_keys_{signal}_total"
            return sum(found[one] for one in found if one.partition("{")[0] == name)

        eventually(lambda: (counted("spans"), counted("logs")) == (len(spans), len(logs)))


def test_of_a_process_only_its_service_is_a_label(tmp_path: Path) -> None:
    """Two processes of one service are one series: no command line or number becomes a label."""
    with (
        receiver() as sink,
        collector(tmp_path, [STANDALONE, OFTEN], KEYTRAIL_ORDINARY_ENDPOINT=sink.url) as running,
    ):
        for process in (1, 2):
            message = ExportTraceServiceRequest.FromString(
                traces(use(3 * process), span(50 + process, {"note": f"used {K1}"}))
            )
            message.resource_spans[0].resource.attributes.extend(
                key_values({"process.pid": process, "process.command_line": f"serve {process}"})
            )
            assert post(running.port, "/v1/traces", message.SerializeToString()) == 200

        def series(name: str) -> list[tuple[set[str], float]]:
            return [
                ({label for label, value in LABEL.findall(sample) if value}, value)
                for sample, value in scraped(running.metrics).items()
                if sample.partition("{")[0] == name
            ]

        common = {"job", "service_name", "otel_scope_name"}
        told = {f"keytrail_{one}" for one in ("direction", "key_name", "key_provider", "outcome")}
        eventually(
            lambda: (
                series("keytrail_uses_total") == [({*common, *told, "collector_instance_id"}, 2)]
                and series("keytrail_raw_keys_spans_total") == [(common, 2)]
            )
        )


def _logs_with(key: str) -> bytes:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = f"refused {key}"
    return bytes(message.SerializeToString())


USES_BY = "sum by (keytrail_outcome) (keytrail_uses_total)"


@contextmanager
def prometheus(directory: Path) -> Iterator[str]:
    """Run a Prometheus that takes remote write and scrapes nothing; yield its URL."""
    (directory / "prometheus.yaml").write_text("global: {}\n")
    at = f"127.0.0.1:{free_port()}"
    command = [
        of_prometheus("prometheus"),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={at}",
        "--web.enable-remote-write-receiver",
    ]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://{at}"
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, query: str) -> dict[str, int]:
    """Return the values that Prometheus has by outcome; none while it does not answer."""
    try:
        answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=60)
    except requests.ConnectionError:
        return {}
    if answer.status_code != 200:
        return {}
    rows = answer.json()["data"]["result"]
    return {row["metric"]["keytrail_outcome"]: int(float(row["value"][1])) for row in rows}


def test_a_real_prometheus_gets_the_metrics_by_remote_write(tmp_path: Path) -> None:
    """Uses by outcome are in a Prometheus that scrapes nothing."""
    files: list[str | Path] = [STANDALONE, SHIPPED / "metrics" / "remote-write.yaml", OFTEN]
    with (
        prometheus(tmp_path) as url,
        collector(tmp_path, files, KEYTRAIL_REMOTE_WRITE=f"{url}/api/v1/write") as running,
    ):
        assert (
            post(running.port, "/v1/traces", traces(*(use(number) for number in range(1, 31))))
            == 200
        )
        expected = {"success": 10, "denied": 10, "error": 10}
        eventually(lambda: asked(url, USES_BY) == expected)


def test_metrics_go_out_over_otlp(tmp_path: Path) -> None:
    """A destination of OTLP gets the uses by outcome, cumulative."""
    files: list[str | Path] = [STANDALONE, SHIPPED / "metrics" / "otlp.yaml", OFTEN]
    with (
        receiver() as sink,
        collector(tmp_path, files, KEYTRAIL_METRICS_OTLP=sink.url) as running,
    ):
        assert (
            post(running.port, "/v1/traces", traces(*(use(number) for number in range(1, 31))))
            == 200
        )

        def counted() -> dict[str, int]:
            return {
                plain(point.attributes)["keytrail.outcome"]: point.as_int
                for message in sink.messages("/v1/metrics")
                for resource in message.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.name == "keytrail.uses"
                for point in metric.sum.data_points
            }

        eventually(lambda: counted() == {"success": 10, "denied": 10, "error": 10})
