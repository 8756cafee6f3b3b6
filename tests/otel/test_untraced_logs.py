"""Log records outside of any trace: no trace keeps their keys until the batch is exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from keytrail.capture.key import RawKey
from keytrail.otel.adopt import Adoption
from keytrail.otel.audit import Audit
from keytrail.settings import Settings

KEY = "qz81-vX0pL7-kQ22w"


class _Keeping:
    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def export(self, batch: Sequence[Any]) -> None:
        self.bodies += [record.log_record.body for record in batch]

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@pytest.mark.parametrize("built_before", [True, False])
def test_redacted_when_they_are_written(built_before: bool, tmp_path: Path) -> None:
    """A key that a hundred others have pushed out of memory since is redacted all the same."""
    audit, exporter = Audit(Settings(home=tmp_path)), _Keeping()
    provider = LoggerProvider(shutdown_on_exit=False)
    processor = BatchLogRecordProcessor(exporter, schedule_delay_millis=60_000)  # type: ignore[arg-type]
    adoption = Adoption(audit)
    if built_before:
        provider.add_log_record_processor(processor)
    adoption.adopt()
    if not built_before:
        provider.add_log_record_processor(processor)
    audit.memory.remember(RawKey(KEY.encode()), None)
    provider.get_logger("access").emit(LogRecord(body=f"GET /things/{KEY}"))
    for number in range(100):
        audit.memory.remember(RawKey(f"x{number}Q7-{number:04}zK".encode()), None)
    provider.force_flush()
    adoption.undo()
    provider.shutdown()
    audit.close()
    assert exporter.bodies == ["GET /things/REDACTED"]
