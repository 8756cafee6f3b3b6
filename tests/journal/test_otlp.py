from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExportResult

from journal.journal_kit import Receiver, make_span, open_journal
from keytrail.journal.exporter import ExporterMissingError
from keytrail.journal.listening import Heard
from keytrail.journal.otlp import (
    Destination,
    build_exporter,
    destination,
)
from keytrail.settings import Secret, Settings
from support.waiting import eventually

FOREIGN = {
    "OTEL_EXPORTER_OTLP_HEADERS": "x-vendor-token=general",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-vendor-token=traces",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/vendor-ca.pem",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere/vendor-client.pem",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/nowhere/vendor-client.key",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/nowhere/vendor-ca.pem",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "deflate",
}

OVER_GRPC = {"otlp_endpoint": "http://h:1", "otlp_protocol": "grpc"}


def deliver_one(settings: Settings) -> object:
    """Send one span to where ``settings`` say."""
    target = destination(settings)
    assert target is not None
    return build_exporter(target, settings, Heard()).export([make_span(1)])


def test_a_foreign_credential_does_not_travel_to_another_host(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the vendor's headers, certificates and compression our endpoint sees nothing."""
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    settings = Settings(
        otlp_endpoint=receiver.url, otlp_headers=Secret("authorization=Bearer%20own")
    )
    assert deliver_one(settings) is SpanExportResult.SUCCESS
    (headers,) = receiver.headers
    assert headers["authorization"] == "Bearer own"
    assert set(headers) <= {
        "host",
        "user-agent",
        "accept-encoding",
        "accept",
        "connection",
        "content-type",
        "content-length",
        "authorization",
    }
    assert "vendor" not in str(headers)


def test_compression_and_timeout_are_ours(receiver: Receiver) -> None:
    """The settings of the delivery reach the wire."""
    settings = Settings(otlp_endpoint=receiver.url, otlp_compression="gzip")
    assert deliver_one(settings) is SpanExportResult.SUCCESS
    assert receiver.headers[0]["content-encoding"] == "gzip"
    assert receiver.numbers == [1]


def test_our_own_certificate_is_used(receiver: Receiver, tmp_path: Path) -> None:
    """A CA file that is no CA file refuses an https endpoint instead of being passed over."""
    authority = tmp_path / "ca.pem"
    authority.write_text("not a certificate")
    settings = Settings(
        otlp_endpoint=receiver.url.replace("http:", "https:"),
        otlp_certificate=authority,
        otlp_timeout=0.5,
    )
    assert deliver_one(settings) is SpanExportResult.FAILURE
    assert receiver.headers == []


def test_same_is_what_the_environment_says(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``same`` goes to the ordinary endpoint, with its headers."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-vendor-token=general")
    assert deliver_one(Settings(otlp_endpoint="same")) is SpanExportResult.SUCCESS
    assert receiver.paths == ["/v1/traces"]
    assert receiver.headers[0]["x-vendor-token"] == "general"


@pytest.mark.parametrize(
    ("endpoint", "environ", "expected"),
    [
        (None, {}, None),
        ("http://h:1", {}, Destination("http/protobuf", "http://h:1/v1/traces", False)),
        ("http://h:1/", {}, Destination("http/protobuf", "http://h:1/v1/traces", False)),
        ("http://h:1/x", {}, Destination("http/protobuf", "http://h:1/x", False)),
        ("same", {}, Destination("grpc", "http://localhost:4317", True)),
        (
            "same",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://h:1/base/"}
            | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            Destination("http/protobuf", "https://h:1/base/v1/traces", True),
        ),
        (
            "same",
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://h:1/exact"}
            | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
            | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            Destination("http/protobuf", "https://h:1/exact", True),
        ),
        (
            "same",
            {"OTEL_TRACES_EXPORTER": "otlp_proto_http"},
            Destination("http/protobuf", "http://localhost:4318/v1/traces", True),
        ),
    ],
)
def test_the_destination_follows_settings_and_environment(
    endpoint: str | None, environ: dict[str, str], expected: Destination | None
) -> None:
    """A base URL gets the traces path, an exact one is kept, and ``same`` follows the SDK."""
    assert destination(Settings(otlp_endpoint=endpoint), environ) == expected


def test_a_destination_is_named_by_host_and_port_alone() -> None:
    """Records never hold what stands in a URL's userinfo or query."""
    target = Destination("http/protobuf", "https://me:secret@h.example:9/p?key=secret", False)
    assert target.name == "h.example:9"


@pytest.mark.parametrize(
    ("settings", "exporter", "same"),
    [
        ({"otlp_endpoint": "http://h:1"}, HttpExporter("http://h:1/v1/traces"), True),
        ({"otlp_endpoint": "http://h:1"}, HttpExporter("http://other:1/v1/traces"), False),
        ({"otlp_endpoint": "http://h:1"}, GrpcExporter("http://h:1"), False),
        (
            {"otlp_endpoint": "http://h:1", "otlp_protocol": "grpc"},
            GrpcExporter("http://h:1"),
            True,
        ),
        ({"otlp_endpoint": "same"}, GrpcExporter(), True),
        ({"otlp_endpoint": "http://h:1"}, ConsoleSpanExporter(), False),
        ({}, HttpExporter("http://h:1/v1/traces"), False),
    ],
)
def test_an_exporter_to_the_same_place_is_recognised(
    home: Path, settings: dict[str, Any], exporter: Any, same: bool
) -> None:
    """Only an official exporter with the same protocol and endpoint counts; unclear means no."""
    assert open_journal(home, **settings).delivers_like(exporter) is same


def test_a_missing_exporter_is_told_once_and_uses_wait(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the gRPC package the service runs on and the uses stay on disk."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.setattr("keytrail.journal.sender.MAX_PAUSE", 0.01)
    settings = Settings(otlp_endpoint="http://h.example:1", otlp_protocol="grpc")
    target = destination(settings)
    assert target is not None
    with pytest.raises(ExporterMissingError):
        build_exporter(target, settings, Heard())
    journal = open_journal(home, otlp_endpoint="http://h.example:1", otlp_protocol="grpc")
    journal.put((1, False))
    assert not journal.close(5)
    eventually(lambda: caplog.records)
    assert [record.getMessage() for record in caplog.records] == [
        "delivery to h.example:1 needs the grpc exporter; uses wait in the journal\n"
        "hint: pip install opentelemetry-exporter-otlp-proto-grpc"
    ]
    assert journal.accounting.snapshot().waiting == 1
