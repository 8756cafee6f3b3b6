"""What keytrail asks of an official OTLP exporter, and the error where there is none."""

from __future__ import annotations

from typing import Any, Protocol


class Exporter(Protocol):
    """An official exporter, of spans or of log records."""

    def export(self, batch: Any, /) -> Any:
        """Send the batch; the result has the name ``SUCCESS`` or another."""

    def shutdown(self) -> None:
        """End the connections."""


class ExporterMissingError(ImportError):
    """The exporter for the protocol is not installed; the message says how to install it."""
