"""What people suffered in public: A1, A6, A8, A10, A12, A14, by real libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.trace import Status, StatusCode, Tracer

from keytrail import semconv
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import RedactingExporter, leaks, provider_for
from support.cases import F1, K1
from support.servers import http_server

URL = f"http://127.0.0.1:1/p?color=blue&api_key={K1}"


def _texts(exporter: RedactingExporter) -> dict[str, Any]:
    return {
        attribute.key: attribute.value.string_value
        for span in exporter.spans()
        for attribute in (*span.attributes, *(one for e in span.events for one in e.attributes))
    }


def _wire(exporter: RedactingExporter) -> bytes:
    return b"".join(exporter.wire)


@pytest.fixture(params=["by value", "by name"])
def either(request: pytest.FixtureRequest, redactor: Redactor) -> RedactingExporter:
    """An exporter that knows the key, and one that knows only names."""
    by_name = Redactor(SensitiveNames(), KeyMemory())
    return RedactingExporter(redactor if request.param == "by value" else by_name)


@contextlib.contextmanager
def _instrumented(exporter: RedactingExporter) -> Iterator[Tracer]:
    provider = provider_for(exporter)
    RequestsInstrumentor().instrument(tracer_provider=provider)
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    try:
        yield provider.get_tracer("shop")
    finally:
        RequestsInstrumentor().uninstrument()
        HTTPXClientInstrumentor().uninstrument()


def test_a1_query_key_in_a_client_url(either: RedactingExporter) -> None:
    """An instrumented client's URL keeps everything but the key."""
    with _instrumented(either), pytest.raises(httpx.ConnectError):
        httpx.get(URL)
    texts = _texts(either)
    assert (texts.get("http.url") or texts.get("url.full")) == URL.replace(K1, "REDACTED")
    assert leaks(_wire(either), K1) == []


def test_a6_the_same_url_in_every_text(either: RedactingExporter) -> None:
    """Name, event name and status are redacted as the URL attribute is."""
    with provider_for(either).get_tracer("shop").start_as_current_span(f"GET {URL}") as span:
        span.set_attribute("url.full", URL)
        span.add_event(f"calling {URL}")
        span.set_status(Status(StatusCode.ERROR, f"failed: {URL}"))
    [passed] = either.spans()
    clean = URL.replace(K1, "REDACTED")
    assert (passed.name, passed.events[0].name, passed.status.message) == (
        f"GET {clean}",
        f"calling {clean}",
        f"failed: {clean}",
    )
    assert leaks(_wire(either), K1) == []


def test_a8_exception_events(either: RedactingExporter) -> None:
    """The exception of a real 401 keeps its type and frames, and loses the key."""
    with http_server() as server, _instrumented(either) as tracer:
        server.routes["/p"] = (401, {})
        url = f"http://127.0.0.1:{server.port}/p?color=blue&api_key={K1}"
        with pytest.raises(requests.HTTPError), tracer.start_as_current_span("pay"):
            requests.get(url, timeout=60).raise_for_status()
    texts = _texts(either)
    assert texts["exception.type"] == "requests.exceptions.HTTPError"
    assert "color=blue&api_key=REDACTED" in texts["exception.message"]
    assert "color=blue&api_key=REDACTED" in texts["exception.stacktrace"]
    assert "raise_for_status()" in texts["exception.stacktrace"]
    assert leaks(_wire(either), K1) == []


def test_a10_arrays_keep_order_and_length(either: RedactingExporter) -> None:
    """A captured header is redacted element by element."""
    with provider_for(either).get_tracer("shop").start_as_current_span("GET") as span:
        span.set_attribute("http.request.header.x_api_key", [K1, K1])
        span.set_attribute("http.request.header.accept", ["*/*", "text/html"])
    [passed] = either.spans()
    arrays = {
        attribute.key: [value.string_value for value in attribute.value.array_value.values]
        for attribute in passed.attributes
    }
    assert arrays["http.request.header.x_api_key"] == ["REDACTED", "REDACTED"]
    assert arrays["http.request.header.accept"] == ["*/*", "text/html"]
    assert leaks(_wire(either), K1) == []


def _raise_chain(level: int, *, hidden: bool) -> None:
    if level == 0:
        raise httpx.ConnectTimeout(f"timed out: {URL}", request=httpx.Request("GET", URL))
    try:
        _raise_chain(level - 1, hidden=hidden)
    except (httpx.ConnectTimeout, RuntimeError) as cause:
        message = f"level {level} of {URL}" if level < 3 else "clean"
        raise RuntimeError(message) from (None if hidden else cause)


@pytest.mark.parametrize("hidden", [False, True])
def test_a12_exception_chains(either: RedactingExporter, hidden: bool) -> None:
    """Three levels of causes, shown or hidden: no level passes the key."""
    tracer = provider_for(either).get_tracer("shop")
    with pytest.raises(RuntimeError), tracer.start_as_current_span("pay"):
        _raise_chain(3, hidden=hidden)
    texts = _texts(either)
    assert texts["exception.message"] == "clean"
    assert "_raise_chain" in texts["exception.stacktrace"]
    assert ("api_key=REDACTED" in texts["exception.stacktrace"]) is not hidden
    assert leaks(_wire(either), K1) == []


@pytest.mark.parametrize("hidden", [False, True])
def test_a12_refused_connection(either: RedactingExporter, hidden: bool) -> None:
    """The client's own error path puts the URL into status and stack trace; none passes the key."""

    def pay() -> None:
        try:
            requests.get(URL.replace("api_key", "sig"), timeout=60)
        except requests.ConnectionError as error:
            raise RuntimeError("clean") from (None if hidden else error)

    with _instrumented(either) as tracer, pytest.raises(RuntimeError):  # noqa: SIM117
        with tracer.start_as_current_span("pay"):
            pay()
    assert any("sig=REDACTED" in span.status.message for span in either.spans())
    assert leaks(_wire(either), K1) == []


def test_a14_fragment(either: RedactingExporter) -> None:
    """A secret behind ``#`` is redacted as one behind ``?``."""
    with provider_for(either).get_tracer("shop").start_as_current_span("GET") as span:
        span.set_attribute("url.full", f"http://h/cb#access_token={K1}&state=1")
    assert _texts(either)["url.full"] == "http://h/cb#access_token=REDACTED&state=1"
    assert leaks(_wire(either), K1) == []


def test_leak_leads_back_to_its_key(exporter: RedactingExporter, tracer: Tracer) -> None:
    """A span in which a known key was redacted names its fingerprint."""
    with tracer.start_as_current_span(f"leak {K1}"):
        pass
    [passed] = exporter.redacted
    assert dict(passed.attributes or {}) == {
        semconv.REDACTIONS: 1,
        semconv.REDACTED_HASHES: (F1,),
    }
