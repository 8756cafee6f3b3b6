"""A real SDK in this process, keytrail active in it, and clients instrumented."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import keytrail
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in


class Instrumented:
    """A provider with a serialising exporter, keytrail active, clients instrumented."""

    def __init__(
        self, home: Path, instrumentors: Sequence[Any], *, is_global: bool = False
    ) -> None:
        self.home = home
        self._is_global = is_global
        self._instrumentors = instrumentors
        self.exporter = SerialisingExporter()
        self.provider: TracerProvider | None = None

    def start(self, sampler: Sampler = ALWAYS_ON, **settings: Any) -> TracerProvider:
        """Build the provider, then activate keytrail, then instrument the clients."""
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        if self._is_global:  # some instrumentations ask no other
            trace._TRACER_PROVIDER = self.provider
        patient: dict[str, Any] = {"shutdown_timeout": 30.0, **settings}
        keytrail.instrument(Settings(pepper=Secret(PEPPER), home=self.home, **patient))
        for instrumentor in self._instrumentors:
            instrumentor().instrument(tracer_provider=self.provider)
        return self.provider

    def uses(self, number: int = 0, seconds: float = 60) -> list[dict[str, Any]]:
        """Return what is journaled, once it is at least ``number`` uses."""
        audit = active_audit()
        assert audit is not None
        deadline = time.monotonic() + seconds
        while True:
            assert audit.flush(60)
            uses = uses_in(self.home)
            if len(uses) >= number:
                return uses
            assert time.monotonic() < deadline, f"{len(uses)} uses, {number} expected"
            time.sleep(0.01)

    def spans(self, number: int, seconds: float = 60) -> list[dict[str, Any]]:
        """Return the exported spans, once there are at least ``number``."""
        deadline = time.monotonic() + seconds
        while len(self.exporter.spans) < number:
            assert time.monotonic() < deadline, f"{len(self.exporter.spans)} spans exported"
            time.sleep(0.01)
        return self.exporter.spans

    def stop(self) -> None:
        """Take everything out again."""
        for instrumentor in self._instrumentors:
            instrumentor().uninstrument()
        keytrail.uninstrument()
        if self._is_global:
            trace._TRACER_PROVIDER = None
