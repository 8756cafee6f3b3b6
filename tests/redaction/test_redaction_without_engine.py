"""Where an engine or a rule of redaction cannot be loaded, nothing is passed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keytrail import faults
from keytrail.redaction import shapes
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from support.cases import K1, PEPPER

SERVICE = """
import logging, sys
sys.modules[sys.argv[1]] = None
import keytrail
from keytrail import faults
from keytrail.settings import Secret, Settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry._logs import LogRecord

keytrail.instrument(Settings(pepper=Secret(sys.argv[2])))
key = sys.argv[3]
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
with provider.get_tracer("t").start_as_current_span(f"GET {key}") as span:
    span.set_attributes({"url.full": f"http://h/?api_key={key}", "n": 7, key: "x"})
    span.add_event(key, {"exception.message": key})
meters = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())])
meters.get_meter("m").create_counter("calls").add(1, {"url": key})
meters.shutdown()
logs = LoggerProvider()
logs.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter()))
logs.get_logger("l").emit(LogRecord(body=key, attributes={"note": key}))
keytrail.uninstrument()
print("faults:", faults.counts().get("redaction.engine"))
"""


@pytest.mark.parametrize("engine", ["re2", "ahocorasick_rs"])
def test_missing_engine_withholds_every_text(engine: str, tmp_path: Path) -> None:
    """Without an engine a service runs on; spans, metrics and logs leave without their texts."""
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, engine, PEPPER, K1],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"KEYTRAIL_HOME": str(tmp_path), "PATH": ""},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert K1 not in done.stdout + done.stderr
    assert '"url.full": "REDACTED"' in done.stdout
    assert '"n": 7' in done.stdout
    assert '"calls"' not in done.stdout
    assert "faults: 1" in done.stdout


def test_broken_added_shape_withholds_every_text() -> None:
    """A rule that cannot be compiled leaves no rules at all, so nothing passes."""
    faults.reraise = False
    before = faults.counts().get("redaction.engine", 0)
    redactor = Redactor(SensitiveNames(), KeyMemory(), ["acme_(["])
    assert redactor.text("page 7") == "REDACTED"
    assert redactor.attributes({"a": "b", "n": 7}) == {"a": "REDACTED", "n": 7}
    assert faults.counts()["redaction.engine"] == before + 1


def test_unreadable_list_of_shapes_withholds_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the list nothing is known to be clean."""

    def broken() -> list[shapes.Shape]:
        raise OSError

    faults.reraise = False
    monkeypatch.setattr(shapes, "listed", broken)
    assert Redactor(SensitiveNames(), KeyMemory()).text("page 7") == "REDACTED"


def test_named_groups_of_added_shapes_do_not_clash() -> None:
    """Two patterns of a catalogue may name their groups alike."""
    redactor = Redactor(
        SensitiveNames(), KeyMemory(), ["acme_(?P<id>[0-9]{8})", "apex-(?P<id>[0-9]{8})"]
    )
    assert redactor.text("acme_01234567 apex-01234567") == "REDACTED REDACTED"
