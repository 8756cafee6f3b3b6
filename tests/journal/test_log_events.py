from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from journal.journal_kit import START, Receiver, open_journal, receiving
from keytrail.journal.accounting import Snapshot
from keytrail.journal.journal import Journal
from support.waiting import eventually


class LogReceiver(Receiver):
    """An OTLP/HTTP receiver of spans and of log records."""

    requests: list[ExportLogsServiceRequest]
    logs_status = 200

    def take(self, path: str, headers: Any, body: bytes) -> int:
        if path != "/v1/logs":
            return super().take(path, headers, body)
        self.paths.append(path)
        if self.logs_status == 200:
            self.requests.append(ExportLogsServiceRequest.FromString(body))
        return self.logs_status

    def logged(self) -> list[int]:
        """Return the numbers of the uses that came as log events."""
        return sorted(attributes_of(record)["number"] for record in self.records())

    def records(self) -> list[Any]:
        return [
            record
            for request in self.requests
            for of_resource in request.resource_logs
            for of_scope in of_resource.scope_logs
            for record in of_scope.log_records
        ]


@pytest.fixture
def log_receiver() -> Iterator[LogReceiver]:
    found = LogReceiver()
    found.requests = []
    with receiving(found):
        yield found


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


def attributes_of(record: Any) -> dict[str, Any]:
    return {item.key: value_of(item.value) for item in record.attributes}


def deliver(home: Path, endpoint: str, uses: int, form: str, **settings: Any) -> Journal[Any]:
    journal = open_journal(
        home, otlp_endpoint=endpoint, otlp_form=form, otlp_timeout=60.0, **settings
    )
    for number in range(uses):
        journal.put((number, False))
    return journal


def test_a_use_is_a_log_event_with_the_same_attributes(
    home: Path, log_receiver: LogReceiver
) -> None:
    """``KEYTRAIL_OTLP_FORM=logs``: name, time, ids, resource and attributes, and no span."""
    assert deliver(home, log_receiver.url, 1, "logs").close(60)
    (record,) = log_receiver.records()
    assert log_receiver.paths == ["/v1/logs"]
    assert attributes_of(record) == {
        "keytrail.schema_version": "1.0",
        "number": 0,
        "keytrail.key.hash": "f" * 64,
        "keytrail.direction": "incoming",
        "keytrail.outcome": "success",
        "keytrail.sampled": False,
        "keytrail.use.time": START,
    }
    assert (record.event_name, record.body.string_value) == ("keytrail.use", "GET /v1/orders")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (START, START + 1000)
    assert (int(record.trace_id.hex(), 16), int(record.span_id.hex(), 16)) == (1, 1)
    assert record.severity_text == "INFO"
    (of_resource,) = log_receiver.requests[0].resource_logs
    assert attributes_of(of_resource.resource) == {"service.name": "orders"}


def test_both_forms_are_delivered_and_a_use_counts_once(
    home: Path, log_receiver: LogReceiver
) -> None:
    """Delivered is what arrived in both; what one form already has is not sent in it again."""
    log_receiver.logs_status = 503
    journal = deliver(home, log_receiver.url, 20, "both")
    assert not journal.close(10)
    assert sorted(log_receiver.numbers) == list(range(20))
    assert journal.accounting.snapshot() == Snapshot(20, 0, 20, {})
    log_receiver.logs_status = 200
    log_receiver.numbers.clear()
    journal = deliver(home, log_receiver.url, 0, "both")
    eventually(lambda: len(log_receiver.logged()) == 20)  # the one before lets go when it has ended
    assert journal.close(60)
    assert log_receiver.logged() == sorted(log_receiver.numbers) == list(range(20))
    assert journal.accounting.snapshot() == Snapshot(20, 20, 0, {})


def test_log_events_travel_over_grpc_too(home: Path) -> None:
    """The official gRPC exporter of logs, with what it answers."""
    taken: list[ExportLogsServiceRequest] = []

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(  # noqa: N802 - the name in the protocol
            self, request: ExportLogsServiceRequest, context: grpc.ServicerContext
        ) -> ExportLogsServiceResponse:
            taken.append(request)
            response = ExportLogsServiceResponse()
            response.partial_success.rejected_log_records = 1
            return response

    server = grpc.server(futures.ThreadPoolExecutor(1))
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        journal = deliver(home, f"http://127.0.0.1:{port}", 5, "logs", otlp_protocol="grpc")
        assert journal.close(60)
    finally:
        server.stop(None)
    records = sum(len(of.scope_logs[0].log_records) for one in taken for of in one.resource_logs)
    assert records == 5
    assert journal.accounting.snapshot() == Snapshot(5, 5 - len(taken), 0, {"refused": len(taken)})
