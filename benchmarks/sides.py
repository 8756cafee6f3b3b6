"""The sides that are compared: complete OpenTelemetry set-ups, of which one has keytrail in it."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from keytrail.activate import TAPS
from keytrail.otel import (
    Audit,
    AuditSpanProcessor,
    KeytrailPropagator,
    KeytrailSampler,
    RedactingSpanExporter,
)
from keytrail.otel.wire import TappedWire
from keytrail.settings import Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace.sampling import Sampler

RESOURCE = Resource.create({"service.name": "benchmark"})
_PEPPER = Secret("0123456789abcdef0123456789abcdef")


class Side(Protocol):
    """One set-up, complete on its own."""

    provider: TracerProvider

    def in_force(self) -> AbstractContextManager[None]:
        """Be what this process runs with, where that is global: propagator and wire taps."""


class Stock:
    """Batches of spans over OTLP/HTTP, as OpenTelemetry's distribution sets it up."""

    def __init__(self, sampler: Sampler, sink: str) -> None:
        self.provider = TracerProvider(sampler, RESOURCE, shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(_exporter(sink)))
        self._textmap = propagate.get_global_textmap()

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Run with the stock propagator."""
        propagate.set_global_textmap(self._textmap)
        yield


class Keytrail:
    """The same with keytrail's components composed into it, and its wire taps."""

    def __init__(self, sampler: Sampler, sink: str, home: Path) -> None:
        self.audit = Audit(Settings(pepper=_PEPPER, home=home))
        self.provider = TracerProvider(
            KeytrailSampler(sampler, self.audit), RESOURCE, shutdown_on_exit=False
        )
        self.provider.add_span_processor(AuditSpanProcessor(self.audit))
        self.provider.add_span_processor(
            BatchSpanProcessor(RedactingSpanExporter(_exporter(sink), self.audit))
        )
        trace.set_tracer_provider(self.provider)
        self._textmap = KeytrailPropagator(propagate.get_global_textmap(), self.audit)
        self._wire = TappedWire(self.audit)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Run with keytrail's propagator, and with every tap in place."""
        propagate.set_global_textmap(self._textmap)
        adapters = map(importlib.import_module, TAPS.values())
        taps = [tap for adapter in adapters for tap in adapter.install(self._wire)]
        yield
        for tap in reversed(taps):
            tap.take()


def _exporter(sink: str) -> OTLPSpanExporter:
    return OTLPSpanExporter(endpoint=f"{sink}/v1/traces")
