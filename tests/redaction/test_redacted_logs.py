"""Log records of the SDK: body of any type, attributes, exceptions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from keytrail import semconv
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import FORMS, TRACE, leaks, remember
from support.cases import F1, K1, K2, K3


class _RedactingLogExporter(LogRecordExporter):
    """Redacts and serialises what it is given at once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.wire = b""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.wire += encode_logs(self._redactor.logs(batch)).SerializeToString()
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True

    def shutdown(self) -> None:
        pass


def _record(body: Any = None, **parts: Any) -> ReadableLogRecord:
    record = LogRecord(timestamp=5, observed_timestamp=6, body=body, **parts)
    return ReadableLogRecord(record, Resource({"service.name": "shop"}), InstrumentationScope("s"))


@pytest.mark.parametrize("form", FORMS)
def test_body_in_every_spelling(redactor: Redactor, form: str) -> None:
    """No spelling of a known key passes in a text body."""
    for key in (K1, K2, K3):
        [passed] = redactor.logs([_record(f"<{FORMS[form](key)}>")])
        assert leaks(str(passed.log_record.body).encode(), key) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"GET /p?api_key={K1}&page=2", "GET /p?api_key=REDACTED&page=2"),
        ({"user": "u", "password": "p", "n": 7}, {"user": "u", "password": "REDACTED", "n": 7}),
        ({"a": {K1: [K2, {"b": K3}]}}, {"a": {"REDACTED": ("REDACTED", {"b": "REDACTED"})}}),
        ([K1, None, 2.5, True], ("REDACTED", None, 2.5, True)),
        (f"<{K1}>".encode(), b"<REDACTED>"),
        (ValueError(f"bad {K1}"), "bad REDACTED"),
    ],
)
def test_body_of_any_type(redactor: Redactor, body: object, expected: object) -> None:
    """Texts are redacted wherever they stand in a body; the rest stays."""
    [passed] = redactor.logs([_record(body)])
    assert passed.log_record.body == expected


@pytest.mark.parametrize("body", [None, 7, "plain", {"a": ["b", 1]}, b"\xff\xfe", [1, "x"]])
def test_clean_record_is_the_same_object(redactor: Redactor, body: object) -> None:
    """Nothing is copied where nothing is secret."""
    record = _record(body, attributes={"code.function.name": "f"}, severity_text="INFO")
    assert redactor.logs([record])[0] is record


def test_whole_record(redactor: Redactor) -> None:
    """All that is not secret stays; the original is not touched; the copy says what went."""
    record = _record(
        "plain",
        attributes={"exception.message": f"for {K1}", "line": 7},
        severity_text="ERROR",
        severity_number=SeverityNumber.ERROR,
        event_name=f"event {K1}",
    )
    record.log_record.trace_id, record.log_record.span_id = TRACE, 7
    [passed] = redactor.logs([record])
    after, before = passed.log_record, record.log_record
    assert dict(after.attributes or {}) == {
        "exception.message": "for REDACTED",
        "line": 7,
        semconv.REDACTIONS: 2,
        semconv.REDACTED_HASHES: (F1,),
    }
    assert after.event_name == "event REDACTED"
    unchanged = (
        "body", "timestamp", "observed_timestamp", "trace_id", "span_id", "trace_flags",
        "severity_text", "severity_number",
    )  # fmt: skip
    assert [getattr(after, name) for name in unchanged] == [
        getattr(before, name) for name in unchanged
    ]
    assert (passed.resource, passed.instrumentation_scope) == (
        record.resource,
        record.instrumentation_scope,
    )
    assert before.attributes == {"exception.message": f"for {K1}", "line": 7}


def test_exception_object_does_not_travel_with_a_redacted_record(redactor: Redactor) -> None:
    """Newer SDKs keep the exception on the record; its text is not redacted, so it goes."""
    record = _record(f"failed for {K1}")
    record.log_record.exception = ValueError(K1)
    [passed] = redactor.logs([record])
    assert passed.log_record.exception is None


def test_overflowed_trace_drops_the_body() -> None:
    """Where not all keys of a trace could be kept, its records lose their free text."""
    memory = KeyMemory(per_trace=1)
    memory.bind(TRACE, remember(memory, K1, K2))
    record = _record("free", attributes={"line": 7, "x": "free", "error.type": "E"})
    record.log_record.trace_id = TRACE
    [passed] = Redactor(SensitiveNames(), memory).logs([record])
    assert passed.log_record.body == "REDACTED"
    assert dict(passed.log_record.attributes or {}) == {
        "line": 7,
        "x": "REDACTED",
        "error.type": "E",
        semconv.REDACTIONS: 2,
    }


@pytest.fixture
def log_exporter(redactor: Redactor) -> _RedactingLogExporter:
    """Serialises the redacted log records."""
    return _RedactingLogExporter(redactor)


@pytest.fixture
def logger(log_exporter: _RedactingLogExporter) -> Iterator[logging.Logger]:
    """A logger of the standard library whose records go through the SDK."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(log_exporter))
    handler = LoggingHandler(logger_provider=provider)
    logger = logging.getLogger("redaction-test")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_logged_exception(logger: logging.Logger, log_exporter: _RedactingLogExporter) -> None:
    """A logged exception chain loses its key and keeps its frames."""
    try:
        try:
            raise TimeoutError(f"http://h/p?api_key={K1}")
        except TimeoutError as error:
            raise ValueError("typed") from error
    except ValueError:
        logger.exception("request to %s failed", f"http://h/p?color=blue&api_key={K1}")
    assert leaks(log_exporter.wire, K1) == []
    for kept in (b"color=blue&api_key=REDACTED", b"ValueError: typed", b"test_logged_exception"):
        assert kept in log_exporter.wire
