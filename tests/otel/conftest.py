"""Fixtures for the components of keytrail inside a real SDK, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import keytrail
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in
from support.servers import Server, http_server


class Instrumented:
    """A provider with a serialising exporter, keytrail active, clients instrumented."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.exporter = SerialisingExporter()
        self.provider: TracerProvider | None = None

    def start(self, sampler: Sampler = ALWAYS_ON, **settings: Any) -> TracerProvider:
        """Build the provider, then activate keytrail, then instrument the clients."""
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        keytrail.instrument(Settings(pepper=Secret(PEPPER), home=self.home, **settings))
        RequestsInstrumentor().instrument(tracer_provider=self.provider)
        HTTPXClientInstrumentor().instrument(tracer_provider=self.provider)
        return self.provider

    def uses(self) -> list[dict[str, Any]]:
        """Return what is journaled by now."""
        audit = active_audit()
        assert audit is not None
        assert audit.flush(5)
        return uses_in(self.home)

    def stop(self) -> None:
        """Take everything out again."""
        RequestsInstrumentor().uninstrument()
        HTTPXClientInstrumentor().uninstrument()
        keytrail.uninstrument()


@pytest.fixture
def otel(tmp_path: Path) -> Iterator[Instrumented]:
    """An instrumented process; the test calls ``start``."""
    instrumented = Instrumented(tmp_path)
    yield instrumented
    instrumented.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server under ``127.0.0.1``."""
    with http_server() as server:
        yield server


@pytest.fixture
def other_server() -> Iterator[Server]:
    """A server under another name, ``localhost``."""
    with http_server("localhost") as server:
        yield server


@pytest.fixture(autouse=True)
def _no_span_left_open() -> Iterator[None]:
    """Fail where a test leaves a span current."""
    yield
    assert trace.get_current_span() is trace.INVALID_SPAN
