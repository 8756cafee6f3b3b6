"""Why a key was refused: from the wire, from captured headers, from the application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import K1, K2, PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in
from support.servers import Server

CHALLENGE = 'Bearer realm="x", error="invalid_token", error_description="The key has expired"'


def _requests(url: str) -> int:
    return requests.get(url, headers={"X-API-Key": K1}, timeout=60).status_code


def _httpx(url: str) -> int:
    with httpx.Client(timeout=60) as client:
        return client.get(url, headers={"X-API-Key": K1}).status_code


def _httpx_mocked(url: str) -> int:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"WWW-Authenticate": CHALLENGE})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return client.get(url, headers={"X-API-Key": K1}).status_code


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("client", [_requests, _httpx, _httpx_mocked])
def test_the_challenge_of_a_response_gives_the_reason(
    client: Any, sampler: Any, otel: Any, server: Server
) -> None:
    """On the span and in the row, and only where the key was denied."""
    otel.start(sampler)
    server.routes["/p"] = (401, {"WWW-Authenticate": CHALLENGE})
    server.routes["/ok"] = (200, {"WWW-Authenticate": CHALLENGE})
    assert client(f"{server.url}/p") == 401
    client(f"{server.url}/ok")
    denied, answered = otel.uses()
    assert (denied["outcome"], denied["reason"]) == ("denied", "expired")
    if client is not _httpx_mocked:
        assert (answered["outcome"], answered.get("reason")) == ("success", None)
        told = [one["attributes"].get("keytrail.outcome_reason") for one in otel.exporter.spans]
        assert told == (["expired", None] if sampler is ALWAYS_ON else [])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home in which keytrail is active until the test ends."""
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=tmp_path, keyless="denied"))
    yield tmp_path
    keytrail.uninstrument()


def _serve(home: Path, attributes: dict[str, Any], key: str | None = K1, **said: Any) -> Any:
    """Serve one request; return its row and its exported attributes."""
    exporter = SerialisingExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    carrier = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    if key is not None:
        carrier["HTTP_X_API_KEY"] = key
    context = propagate.extract(carrier)
    span = provider.get_tracer("server").start_span("GET", context, kind=SpanKind.SERVER)
    token = otel_context.attach(context)
    if said:
        keytrail.identify(**said)
    otel_context.detach(token)
    span.set_attributes(attributes)
    span.end()
    audit = active_audit()
    assert audit is not None
    assert audit.flush(60)
    return uses_in(home)[-1], exporter.spans[0]["attributes"]


@pytest.mark.parametrize("name", ["www_authenticate", "www-authenticate", "proxy_authenticate"])
def test_a_challenge_of_our_own_that_is_captured_gives_the_reason(name: str, home: Path) -> None:
    """Where the instrumentation captures the response's headers."""
    held = {"http.status_code": 401, f"http.response.header.{name}": (CHALLENGE,)}
    use, attributes = _serve(home, held)
    assert (use["reason"], attributes["keytrail.outcome_reason"]) == ("expired", "expired")
    use, attributes = _serve(home, held | {f"http.response.header.{name}": ("Bearer",)}, None)
    assert (use["reason"], attributes["keytrail.outcome_reason"]) == ("missing", "missing")


def test_the_application_knows_better_than_the_challenge(home: Path) -> None:
    """What it says by ``identify`` stands."""
    held = {"http.status_code": 403, "http.response.header.www_authenticate": (CHALLENGE,)}
    use, attributes = _serve(home, held, reason="quota")
    assert (use["reason"], attributes["keytrail.outcome_reason"]) == ("quota", "quota")


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, "success"), (16, "denied"), (7, "denied"), (8, "rate_limited"), (13, "error")],
)
def test_grpc_codes_decide_where_there_are_any(code: int, told: str, home: Path) -> None:
    """In the older convention, and by name in the newer one."""
    names = {0: "OK", 16: "UNAUTHENTICATED", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED"}
    for held in (
        {"rpc.grpc.status_code": code},
        {"rpc.response.status_code": names.get(code, "INTERNAL"), "http.status_code": 200},
    ):
        use, attributes = _serve(home, held)
        assert (use["outcome"], attributes["keytrail.outcome"]) == (told, told)


def test_the_text_of_an_error_is_kept_redacted_and_short(home: Path) -> None:
    """The key of the request and other secrets in it go; 256 characters stay."""
    text = f"key {K1} is not good, nor is https://h/?api_key={K2}; " + "x" * 10_000
    use, attributes = _serve(home, {"http.status_code": 401}, reason="expired", message=text)
    expected = f"key REDACTED is not good, nor is https://h/?api_key=REDACTED; {'x' * 1000}"[:256]
    assert attributes["keytrail.outcome_message"] == expected
    assert use["attributes"]["keytrail.outcome_message"] == expected
    assert K1 not in str(use)


def test_nothing_is_kept_of_an_error_that_is_not_offered(home: Path) -> None:
    """It is the application's to say."""
    use, attributes = _serve(home, {"http.status_code": 401}, reason="expired")
    assert "keytrail.outcome_message" not in attributes
    assert "keytrail.outcome_message" not in use["attributes"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"reason": "because"}, "identify.reason"),
        ({"reason": ["expired"]}, "identify.reason"),
        ({"owner": 7}, "identify.owner"),
        ({"key_id": K1}, "identify.raw_key"),
        ({"environment": f"prod {K1}"}, "identify.raw_key"),
    ],
)
def test_what_cannot_be_said_is_counted_and_the_rest_kept(
    said: dict[str, Any], place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A16: never a raw key where a name belongs; nothing is raised into the request."""
    monkeypatch.setattr(faults, "reraise", False)
    before = faults.counts().get(place, 0)
    use, _ = _serve(home, {"http.status_code": 200}, name="billing", **said)
    assert faults.counts()[place] == before + 1
    assert use["key_name"] == "billing"
    assert [use.get(column) for column in ("owner", "key_id", "environment", "reason")] == [
        None
    ] * 4
