"""Audit spans in Kafka: a broker that speaks Kafka's protocol, and what a consumer reads."""

from __future__ import annotations

import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.cases import F1, K1
from support.otelcol import ROOT, binary, collector, eventually, plain, post, span, traces

BROKER = ROOT / "build" / "kafka"
SHIPPED = ROOT / "collector-config"
FILES = [SHIPPED / "standalone.yaml", SHIPPED / "backends" / "kafka.yaml"]


@contextmanager
def broker(topic: str) -> Iterator[tuple[str, list[bytes]]]:
    """Run a broker; yield its address and the records that a consumer has read of ``topic``."""
    command = [str(binary(BROKER, "tests/support/kafka/build")), topic]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address, records = process.stdout.readline().strip(), list[bytes]()

    def keep() -> None:
        for line in process.stdout or ():
            records.append(b64decode(line))

    threading.Thread(target=keep, daemon=True).start()
    try:
        yield address, records
    finally:
        process.kill()
        process.wait()


def test_kafka_gets_every_use_once(tmp_path: Path) -> None:
    """Every use is in the topic of the audit once, as OTLP, and no raw key is."""
    keyed = {"http.request.header.x-api-key": [K1]}
    with (
        broker("keytrail-audit") as (address, records),
        collector(tmp_path, FILES, KEYTRAIL_KAFKA_BROKER=address) as running,
    ):
        for start in range(1, 101, 20):
            spans = [span(number, keyed) for number in range(start, start + 20)]
            assert post(running.port, "/v1/traces", traces(*spans, span(1000 + start))) == 200

        def arrived() -> list[tuple[int, str]]:
            return [
                (int.from_bytes(one.span_id, "big"), plain(one.attributes)["keytrail.key.hash"])
                for record in list(records)
                for resource in ExportTraceServiceRequest.FromString(record).resource_spans
                for scope in resource.scope_spans
                for one in scope.spans
            ]

        eventually(lambda: len(arrived()) >= 100)
        assert sorted(arrived()) == [(number, F1) for number in range(1, 101)]
        assert K1.encode() not in b"".join(records)
