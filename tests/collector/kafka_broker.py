"""A broker in memory that speaks Kafka's protocol, and what a consumer of one topic has read."""

from __future__ import annotations

import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.otelcol import ROOT, binary

BROKER = ROOT / "build" / "kafka"


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


def spans_of(records: Sequence[bytes]) -> list[Span]:
    """Return the spans in records, which are OTLP."""
    return [
        one
        for record in list(records)
        for resource in ExportTraceServiceRequest.FromString(record).resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
    ]
