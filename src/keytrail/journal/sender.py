"""Batches to the endpoint, with patience: how large, and when to try again."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExportResult

from keytrail import faults
from keytrail.journal.otlp import ExporterMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

MAX_BATCH: Final = 512
_BATCH_GROWTH: Final = 16
MAX_PAUSE: Final = 30.0
"""Most seconds between two attempts at an endpoint that fails."""


class Sender:
    """The exporter of one process, built at the first use. Used by the delivery thread alone."""

    def __init__(self, build_exporter: Callable[[], SpanExporter]) -> None:
        """``build_exporter`` may fail now and succeed later."""
        self._build_exporter = build_exporter
        self._exporter: SpanExporter | None = None
        self._told_missing = False
        self._failures = 0
        self._not_before = 0.0
        self.batch = MAX_BATCH
        """How many uses the next request may hold; an endpoint may take only small ones."""

    @property
    def is_waiting(self) -> bool:
        """Whether the last attempt failed not long ago."""
        return time.monotonic() < self._not_before

    def send(self, spans: Sequence[ReadableSpan]) -> bool:
        """Return whether the endpoint said that it took ``spans``."""
        if self._was_taken(spans):
            self._failures = 0
            self.batch = min(MAX_BATCH, self.batch + _BATCH_GROWTH)
            return True
        pause = min(MAX_PAUSE, 2.0 ** min(self._failures, 5)) * random.uniform(0.8, 1)  # noqa: S311
        self._not_before = time.monotonic() + pause
        self._failures += 1
        self.batch = max(1, len(spans) // 2)
        return False

    def _was_taken(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            if self._exporter is None:
                self._exporter = self._build_exporter()
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except ExporterMissingError as error:
            if not self._told_missing:
                self._told_missing = True
                faults.logger.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - the uses wait, whatever the exporter does
            faults.report("journal.sender", error)
        return False

    def close(self) -> None:
        """Let the exporter end its connections."""
        if self._exporter is not None:
            self._exporter.shutdown()
