"""Fixtures: every server in one process, and every client in this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

from adapters.running_servers import MODES, Running, running_servers
from apps.clients import OVER_HTTP2
from support.http2 import http2_server
from support.instrumented import Instrumented
from support.servers import Server, http_server
from support.sink import Sink, otlp_sink

try:
    from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
except ImportError:  # older releases instrument httpx only
    NEWER = []
else:
    NEWER = [HTTPX2ClientInstrumentor]

OVER_HTTPX2 = ("httpx2", "openai", "anthropic", "google")

INSTRUMENTORS = [
    RequestsInstrumentor,
    URLLib3Instrumentor,
    URLLibInstrumentor,
    HTTPXClientInstrumentor,
    *NEWER,
    AioHttpClientInstrumentor,
    GrpcInstrumentorClient,
    GrpcAioInstrumentorClient,
    BotocoreInstrumentor,
]


@pytest.fixture(scope="session", params=MODES)
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Every server of the table, activated without code and in code."""
    with running_servers(request.param, tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def otel(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instrumented]:
    """Every client instrumented in this process; the test calls ``start``."""
    parameters = getattr(request.node, "callspec", None)
    if not NEWER and parameters is not None:
        called = str(parameters.params.get("client") or parameters.params.get("sdk"))
        if called.startswith(OVER_HTTPX2):
            pytest.skip("this release of OpenTelemetry does not instrument httpx2")
    instrumented = Instrumented(tmp_path, INSTRUMENTORS, is_global=True)
    yield instrumented
    instrumented.stop()


@pytest.fixture
def untraced(tmp_path: Path) -> Iterator[Instrumented]:
    """Keytrail alone in this process; the test calls ``start``."""
    instrumented = Instrumented(tmp_path, [])
    yield instrumented
    instrumented.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An OTLP receiver for the ordinary spans of other processes."""
    with otlp_sink() as sink:
        yield sink


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server under ``127.0.0.1``, of the HTTP that the test's client speaks."""
    with _server_for(request)() as server:
        yield server


@pytest.fixture
def other_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server under another name, ``localhost``."""
    with _server_for(request)("localhost") as server:
        yield server


def _server_for(request: pytest.FixtureRequest) -> Any:
    parameters = getattr(request.node, "callspec", None)
    client = parameters.params.get("client") if parameters is not None else None
    return http2_server if client in OVER_HTTP2 else http_server
