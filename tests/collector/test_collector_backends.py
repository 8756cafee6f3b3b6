"""The fragments for backends: known keys, endless retry, a queue on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.kafka_broker import broker, spans_of
from support.otelcol import collector, grpc_receiver, post, span, traces
from support.waiting import eventually

BACKENDS = Path(__file__).parents[2] / "collector-config" / "backends"
HTTP = {"endpoint", "auth", "tls", "headers", "timeout", "compression"}
SCHEMAS: dict[str, set[str]] = {
    "elasticsearch": {
        *HTTP,
        *("endpoints", "cloudid", "api_key", "user", "password", "pipeline", "mapping", "retry"),
        *("traces_index", "traces_dynamic_index", "sending_queue", "flush", "discover"),
    },
    "opensearch": {
        *("http", "retry_on_failure", "mapping", "sending_queue", "dataset", "namespace"),
        *("bulk_action", "timeout"),
    },
}
"""What the exporters that cannot be built here have in their own configuration."""


def exporter(backend: str) -> dict[str, Any]:
    """Return the configuration of a backend's only exporter."""
    (config,) = yaml.safe_load((BACKENDS / f"{backend}.yaml").read_text())["exporters"].values()
    return dict(config)


@pytest.mark.parametrize("backend", SCHEMAS)
def test_untested_fragments_have_only_keys_of_their_schema(backend: str) -> None:
    """A fragment that no Collector here can check has only keys that its exporter knows."""
    assert set(exporter(backend)) <= SCHEMAS[backend]
    assert (BACKENDS / f"{backend}.yaml").read_text().startswith("# UNTESTED")


@pytest.mark.parametrize("backend", sorted(path.stem for path in BACKENDS.glob("*.yaml")))
def test_every_backend_queues_on_disk_and_retries_without_end(backend: str) -> None:
    """Whatever the backend, the queue is on disk, and retrying has no end."""
    config = exporter(backend)
    assert config["sending_queue"]["storage"] == "file_storage/keytrail"
    assert config["sending_queue"]["sizer"] == "items"
    if backend not in SCHEMAS:
        assert config["sending_queue"]["batch"]["sizer"] == "bytes"
        assert config["sending_queue"]["batch"]["max_size"] < 1_000_000
    if backend == "elasticsearch":
        assert config["retry"]["max_retries"] == 1_000_000
    else:
        assert config["retry_on_failure"]["max_elapsed_time"] == 0


def test_what_is_more_than_a_destination_takes_at_once_arrives(tmp_path: Path) -> None:
    """Requests that are too long for gRPC and Kafka arrive in parts, and nothing is dropped."""
    audited = {"keytrail.schema_version": "1.0", "note": "n" * 5000}
    files = [BACKENDS.parent / "standalone.yaml"]
    files += [BACKENDS / f"{name}.yaml" for name in ("otlp-grpc", "kafka")]
    with (
        grpc_receiver() as destination,
        broker("keytrail-audit") as (address, records),
        collector(
            tmp_path,
            [*files, both(tmp_path)],
            KEYTRAIL_AUDIT_ENDPOINT=f"127.0.0.1:{destination.port}",
            KEYTRAIL_AUDIT_INSECURE="true",
            KEYTRAIL_KAFKA_BROKER=address,
        ) as running,
    ):
        spans = (span(number, audited) for number in range(1, 1001))
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
        expected = [f"{number:016x}" for number in range(1, 1001)]
        eventually(lambda: sorted(destination.span_ids()) == expected)
        eventually(lambda: sorted(one.span_id.hex() for one in spans_of(records)) == expected)


def both(directory: Path) -> Path:
    """Return a file that sends the audit to two backends."""
    exporters = "[otlp_grpc/keytrail_audit, kafka/keytrail, forward/keytrail_metrics]"
    path = directory / "both.yaml"
    path.write_text(
        f"service: {{pipelines: {{traces/keytrail_audit: {{exporters: {exporters}}}}}}}\n"
    )
    return path
