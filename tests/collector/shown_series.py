"""The series that a real Collector shows when it has everything to alert about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from support.cases import K1
from support.otelcol import ROOT, Collector, collector, post, receiver, scraped, span, traces
from support.waiting import eventually

SHIPPED = ROOT / "collector-config"
LABEL = re.compile(r'(\w+)="([^"]*)"')
SCRAPED = {"job": "keytrail", "instance": "collector"}
"""The labels that Prometheus gives what it scrapes; it renames those of the same names."""


@dataclass(frozen=True)
class Shown:
    """The series that a Collector has shown, as Prometheus keeps them."""

    series: list[tuple[str, dict[str, str]]]

    def one(self, name: str, **labels: str) -> str:
        """Return the one series of this name that has these labels."""
        (found,) = (
            {**found, **SCRAPED}
            for of, found in self.series
            if of == name and labels.items() <= found.items()
        )
        return written(name, found)

    def uses(self, outcome: str, key: str = "customer-0") -> str:
        """Return the series of a key's uses with this outcome."""
        return self.one("keytrail_uses_total", keytrail_outcome=outcome, keytrail_key_name=key)


def written(name: str, labels: Mapping[str, str]) -> str:
    listed = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{listed}}}"


def restarted(series: str) -> str:
    """Return the series that a Collector shows in the place of ``series`` after a restart."""
    return re.sub(r'(collector_instance_id)="[^"]*"', r'\1="another"', series)


def shown_by_a_collector(directory: Path) -> Shown:
    """Run a Collector whose journal's disk is full and whose destination first refuses, then waits.

    Its queue is full in the end.
    """
    journal = directory / "state" / "journal"
    journal.mkdir(parents=True)
    (journal / "audit.jsonl").symlink_to("/dev/full")
    with (
        receiver() as sink,
        collector(
            directory,
            [SHIPPED / "standalone.yaml"],
            KEYTRAIL_AUDIT_ENDPOINT=sink.url,
            KEYTRAIL_ORDINARY_ENDPOINT=sink.url,
            KEYTRAIL_KEY_NAMES="customer-.*",
            KEYTRAIL_QUEUE_SPANS="1000",
        ) as running,
    ):
        sink.status = 500
        refused = [f"send_failed_spans.*{name}" for name in ("audit", "ordinary", "journal")]
        show(running, *refused, "send_failed_log_records")
        sink.status = 503
        show(
            running,
            "enqueue_failed_spans.*audit",
            "uses_total.*customer-1",
            "raw_keys_logs",
            "raw_keys_spans",
        )
        found = [*kept(running.metrics), *kept(running.telemetry)]
    return Shown(found)


def show(running: Collector, *patterns: str) -> None:
    """Send uses and raw keys until the Collector shows series that match all of these."""

    def are_shown() -> bool:
        spans = (use(number) for number in range(1, 401))
        post(running.port, "/v1/traces", traces(*spans, span(999, {"x": f"is {K1}"})))
        post(running.port, "/v1/logs", logs_with(K1))
        there = "\n".join([*scraped(running.metrics), *scraped(running.telemetry)])
        return all(re.search(one, there) for one in patterns)

    eventually(are_shown)


def kept(port: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the names and labels of what a Collector shows; ``job`` as Prometheus renames it."""
    for sample in scraped(port):
        labels = {
            f"exported_{name}" if name in SCRAPED else name: value
            for name, value in LABEL.findall(sample)
            if value
        }
        yield sample.partition("{")[0], labels


def use(number: int) -> Any:
    return span(
        number,
        {
            "keytrail.schema_version": "1.0",
            "keytrail.direction": "incoming",
            "keytrail.outcome": ("success", "denied", "error")[number % 3],
            "keytrail.key.provider": "self",
            "keytrail.key.name": f"customer-{number % 2}",
        },
    )


def logs_with(key: str) -> bytes:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = f"refused {key}"
    return bytes(message.SerializeToString())
