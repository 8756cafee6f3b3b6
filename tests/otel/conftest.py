"""Fixtures for the components of keytrail inside a real SDK, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from support.instrumented import Instrumented
from support.servers import Server, http_server


@pytest.fixture
def otel(tmp_path: Path) -> Iterator[Instrumented]:
    """An instrumented process; the test calls ``start``."""
    instrumented = Instrumented(tmp_path, [RequestsInstrumentor, HTTPXClientInstrumentor])
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
