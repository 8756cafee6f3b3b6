"""Beside what users have: their hooks, their order of set-up, and other vendors' SDKs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import flask
import pytest
import requests
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

import keytrail
from apps.clients import CLIENTS
from keytrail import activate
from support.cases import F1, F2, K1, K2, PEPPER
from support.instrumented import Instrumented
from support.journals import uses_in
from support.servers import Server
from support.services import APPS, clean_environ
from support.sink import Sink

KEY = {"X-API-Key": K1}


def test_users_hooks_run_too_and_in_order(untraced: Instrumented, server: Server) -> None:
    """Request hook, then response hook, each with the span that the use is on."""
    provider = untraced.start()
    called: list[tuple[str, Any]] = []
    RequestsInstrumentor().instrument(
        tracer_provider=provider,
        request_hook=lambda span, _: called.append(("request", span)),
        response_hook=lambda span, _request, _response: called.append(("response", span)),
    )
    try:
        requests.get(server.url, headers=KEY, timeout=60)
    finally:
        RequestsInstrumentor().uninstrument()
    (use,) = untraced.uses(1)
    assert [(name, format(span.context.span_id, "016x")) for name, span in called] == [
        ("request", use["span_id"]),
        ("response", use["span_id"]),
    ]


def test_a_users_hook_that_raises_is_the_users_alone(
    untraced: Instrumented, server: Server
) -> None:
    """What the stock instrumentation lets through comes through, and the use is recorded."""
    provider = untraced.start()

    def broken(*_: Any) -> None:
        raise LookupError("of the user's")

    RequestsInstrumentor().instrument(tracer_provider=provider, response_hook=broken)
    try:
        with pytest.raises(LookupError, match="of the user's"):
            requests.get(server.url, headers=KEY, timeout=60)
    finally:
        RequestsInstrumentor().uninstrument()
    assert [(use["key"], use["status"]) for use in untraced.uses(1)] == [(F1, 200)]


def test_uninstrumented_and_instrumented_again_is_seen_each_time(
    untraced: Instrumented, server: Server
) -> None:
    """Traced, untraced and traced once more: one use each, with or without a span."""
    import httpx

    provider = untraced.start()
    for number in range(3):
        if number != 1:
            HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        with httpx.Client(timeout=60) as client:
            client.get(f"{server.url}/{number}", headers=KEY)
        HTTPXClientInstrumentor().uninstrument()
    assert [(use["path"], use["sampled"]) for use in untraced.uses(3)] == [
        ("/0", True),
        ("/1", False),
        ("/2", True),
    ]
    assert len(untraced.exporter.spans) == 2


def test_every_tap_is_taken_out_again(untraced: Instrumented, server: Server) -> None:
    """Nothing of keytrail stays in any library, and the next activation is as good as the first."""
    from opentelemetry.instrumentation.grpc import _server  # noqa: F401 - it is tapped once loaded

    for number in range(2):
        untraced.start()
        active = activate._active
        assert active is not None
        assert len(active.taps) > 30
        for name, client in CLIENTS.items():
            client(f"{server.url}/{name}/{number}", KEY)
        assert len(untraced.uses()) == len(CLIENTS) * (number + 1)
        keytrail.uninstrument()
        assert [tap for tap in active.taps if _is_ours(tap.owner.__dict__.get(tap.name))] == []
        requests.get(server.url, headers=KEY, timeout=60)
    assert len(uses_in(untraced.home)) == len(CLIENTS) * 2


def _is_ours(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and "keytrail/capture/adapters" in code.co_filename


async def _answer(_: Any) -> Response:
    return Response()


def _starlette() -> Starlette:
    return Starlette(routes=[Route("/p", _answer)])


def _built_before(provider_of: Any) -> Any:
    app = _starlette()
    StarletteInstrumentor.instrument_app(app, tracer_provider=provider_of())
    return app


def _wrapped_directly(provider_of: Any) -> Any:
    return OpenTelemetryMiddleware(_starlette(), tracer_provider=provider_of())


def _instrumented_twice(provider_of: Any) -> Any:
    app, provider = _starlette(), provider_of()
    StarletteInstrumentor.instrument_app(app, tracer_provider=provider)
    return OpenTelemetryMiddleware(app, tracer_provider=provider)


@pytest.mark.parametrize("keytrail_comes", ["first", "last"])
@pytest.mark.parametrize("build", [_built_before, _wrapped_directly, _instrumented_twice])
def test_however_an_application_is_instrumented(
    build: Any, keytrail_comes: str, untraced: Instrumented
) -> None:
    """``instrument_app``, direct middleware, and both at once: one use."""
    from opentelemetry.sdk.trace import TracerProvider

    if keytrail_comes == "first":
        untraced.start()
    provider = TracerProvider(shutdown_on_exit=False)
    app = build(lambda: provider)
    if keytrail_comes == "last":
        untraced.start()
    with TestClient(app) as client:
        client.get("/p", headers={"X-API-Key": K2})
    incoming = [use for use in untraced.uses(1) if use["direction"] == "incoming"]
    assert [(use["key"], use["path"], use["status"]) for use in incoming] == [(F2, "/p", 200)]


def test_flask_instrumented_twice_is_one_use(untraced: Instrumented) -> None:
    """The instrumentor for all and ``instrument_app`` for one: the inner span is no second use."""
    provider = untraced.start()
    app = flask.Flask("app")
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    app.wsgi_app = _outer(app.wsgi_app, provider)  # type: ignore[method-assign]
    app.add_url_rule("/p", view_func=lambda: "ok")
    app.test_client().get("/p", headers=KEY)
    assert [(use["key"], use["direction"]) for use in untraced.uses(1)] == [(F1, "incoming")]


def _outer(app: Any, provider: Any) -> Any:
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as Outer

    return Outer(app, tracer_provider=provider)


VENDORS = {
    "sentry": (
        "import sentry_sdk; sentry_sdk.init('http://k@127.0.0.1:9/1', traces_sample_rate=1.0,"
        " shutdown_timeout=0)"
    ),
    "logfire": (
        "import logfire; logfire.configure(send_to_logfire=False, console=False);"
        " logfire.instrument_requests()"
    ),
}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("mode", ["zero-code", "in code"])
def test_beside_other_vendors_sdks(
    vendor: str, mode: str, tmp_path: Path, server: Server, sink: Sink
) -> None:
    """The use is recorded, the application gets its answer, and what the vendor adds is sent."""
    script = tmp_path / "service.py"
    script.write_text(
        f"{VENDORS[vendor]}\n"
        "import requests, sys\n"
        "key = {'X-API-Key': sys.argv[2]}\n"
        "print(requests.get(sys.argv[1], headers=key, timeout=60).status_code)\n"
    )
    launcher = {
        "zero-code": ["opentelemetry-instrument", sys.executable],
        "in code": [sys.executable, "in_code.py"],
    }[mode]
    environ = clean_environ(
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        KEYTRAIL_HOME=str(tmp_path / "home"),
        KEYTRAIL_PEPPER=PEPPER,
    )
    done = subprocess.run(
        [*launcher, str(script), f"{server.url}/p", K1],
        env=environ,
        cwd=APPS,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("200\n", 0), done.stderr
    assert [(use["key"], use["path"], use["status"]) for use in uses_in(tmp_path / "home")] == [
        (F1, "/p", 200)
    ]
    assert "fault in" not in done.stderr
    assert K1 not in done.stderr
