"""Outgoing calls: every hop that carries a key is a use, on its span or beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
import urllib3
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind

from support.cases import F1, K1
from support.servers import Server

HEADERS = {"X-API-Key": K1}


def _requests(url: str) -> int:
    return requests.get(url, headers=HEADERS, timeout=60).status_code


def _httpx(url: str) -> int:
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        return client.get(url, headers=HEADERS).status_code


def _httpx_async(url: str) -> int:
    async def call() -> int:
        async with httpx.AsyncClient(follow_redirects=True, timeout=60) as client:
            return (await client.get(url, headers=HEADERS)).status_code

    return asyncio.run(call())


CLIENTS = [_requests, _httpx, _httpx_async]
Client = Callable[[str], int]


def _facts(use: dict[str, Any]) -> dict[str, Any]:
    names = ("key", "direction", "method", "path", "host", "status", "outcome", "location", "field")
    return {name: use.get(name) for name in names}


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_with_a_key_is_one_use(
    client: Client, sampler: Any, otel: Any, server: Server
) -> None:
    """A keyed call is journaled once, with ids of its CLIENT span, whatever the sampler."""
    otel.start(sampler)
    server.routes["/p"] = (403, {})
    assert client(f"{server.url}/p?color=blue") == 403
    (use,) = otel.uses()
    assert _facts(use) == {
        "key": F1,
        "direction": "outgoing",
        "method": "GET",
        "path": "/p",
        "host": "127.0.0.1",
        "status": 403,
        "outcome": "denied",
        "location": "header",
        "field": "x-api-key",
    }
    assert use["sampled"] is (sampler is ALWAYS_ON)
    traceparent = dict(server.requests[0][1])["traceparent"].split("-")
    assert traceparent[1:3] == [use["trace_id"], use["span_id"]]
    assert len(otel.exporter.spans) == (sampler is ALWAYS_ON)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_to_another_host_is_a_second_use_with_findings(
    client: Client, sampler: Any, otel: Any, server: Server, other_server: Server
) -> None:
    """Two hops are two uses of one key, and the finding is on the second."""
    otel.start(sampler)
    server.routes["/a"] = (302, {"Location": f"{other_server.url}/b"})
    assert client(f"{server.url}/a") == 200
    first, second = otel.uses()
    assert (first["key"], second["key"]) == (F1, F1)
    assert (first["path"], first["status"], first.get("findings")) == ("/a", 302, None)
    assert (second["path"], second["status"]) == ("/b", 200)
    assert second["findings"][:2] == ["wrong_host", "redirected"]
    assert second["attributes"]["keytrail.host_expected"] == "127.0.0.1"
    assert second["trace_id"] == first["trace_id"] or client is not _requests
    assert second["span_id"] != first["span_id"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_on_the_same_host_is_no_wrong_host(
    client: Client, otel: Any, server: Server
) -> None:
    """A hop to another path of the same host is redirected, and nothing graver."""
    otel.start()
    server.routes["/a"] = (307, {"Location": "/b"})
    assert client(f"{server.url}/a") == 200
    first, second = otel.uses()
    assert (first.get("findings"), second["findings"]) == (None, ["redirected"])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_key_in_the_url_is_found_and_redacted(client: Client, otel: Any, server: Server) -> None:
    """A1: the parameter's name stays, the value is nowhere, the finding is told."""
    otel.start()
    server.routes["/p"] = (200, {})
    url = f"{server.url}/p?color=blue&api_key={K1}"
    if client is _requests:
        requests.get(url, timeout=60)
    else:
        httpx.get(url, timeout=60)
    (use,) = otel.uses()
    assert (use["key"], use["location"], use["field"]) == (F1, "query", "api_key")
    assert "key_in_url" in use["findings"]
    (span,) = otel.exporter.spans
    assert span["attributes"]["http.url"] == f"{server.url}/p?color=blue&api_key=REDACTED"
    assert K1 not in str(span)
    assert K1 not in str(use)


def test_an_untraced_call_is_a_use_of_its_own(otel: Any, server: Server) -> None:
    """A keyed call of a library that nobody instruments is journaled; no other span is tagged."""
    provider = otel.start()
    with provider.get_tracer("app").start_as_current_span("work") as work:
        urllib3.PoolManager().request("GET", f"{server.url}/raw", headers=HEADERS)
    (use,) = otel.uses()
    assert (use["key"], use["path"], use["status"]) == (F1, "/raw", 200)
    assert use["parent_span_id"] == format(work.get_span_context().span_id, "016x")
    (span,) = otel.exporter.spans
    assert span["attributes"] == {}


def test_an_applications_own_client_span_is_not_taken_for_a_call(otel: Any, server: Server) -> None:
    """A CLIENT span that says nothing of HTTP, such as a database's, is left alone."""
    provider = otel.start()
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("query", kind=SpanKind.CLIENT, attributes={"db.system": "x"}):
        urllib3.PoolManager().request("GET", f"{server.url}/raw", headers=HEADERS)
    assert [use["path"] for use in otel.uses()] == ["/raw"]
    assert [span["attributes"] for span in otel.exporter.spans] == [{"db.system": "x"}]


def test_a_transport_of_the_applications_own_is_not_missed(otel: Any) -> None:
    """A call that never reaches httpcore is told from the client's own view of it."""
    otel.start()
    transport = httpx.MockTransport(lambda _: httpx.Response(429))
    with httpx.Client(transport=transport) as client:
        client.get("http://api.example.com/v1?page=2", headers=HEADERS)
    (use,) = otel.uses()
    assert (use["key"], use["host"], use["path"], use["status"], use["outcome"]) == (
        F1,
        "api.example.com",
        "/v1",
        429,
        "rate_limited",
    )


def test_an_exporters_own_requests_are_no_uses(otel: Any, server: Server) -> None:
    """What is sent with instrumentation suppressed is left alone."""
    otel.start()
    with suppress_instrumentation():
        requests.get(server.url, headers=HEADERS, timeout=60)
    assert otel.uses() == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refused_connection_is_an_error(client: Client, otel: Any) -> None:
    """The application gets its own exception; the use says how it failed."""
    otel.start()
    with pytest.raises((requests.ConnectionError, httpx.ConnectError)):
        client("http://127.0.0.1:9/x")
    (use,) = otel.uses()
    assert (use["key"], use["outcome"], use.get("status")) == (F1, "error", None)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_without_a_key_is_no_use(client: Client, otel: Any, server: Server) -> None:
    """A keyless call leaves no trace in the journal and no attribute on its span."""
    otel.start()
    if client is _requests:
        requests.get(server.url, timeout=60)
    else:
        httpx.get(server.url, timeout=60)
    assert otel.uses() == []
    assert not any("keytrail" in str(span) for span in otel.exporter.spans)
