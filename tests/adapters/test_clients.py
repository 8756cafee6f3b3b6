"""Every client, traced or not: each request on the wire that carries a key is one use."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from adapters.running_servers import MODES
from apps.clients import CLIENTS, OVER_HTTP2, TRACED
from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import F1, K1, PEPPER
from support.http2 import http2_server
from support.instrumented import Instrumented
from support.journals import uses_in
from support.servers import Server
from support.services import APPS, clean_environ
from support.sink import Sink

KEY = {"X-API-Key": K1}
SAMPLERS = pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
EVERY = {**CLIENTS, **OVER_HTTP2}
"""Each against a server of the HTTP that it speaks."""
ALL = pytest.mark.parametrize("client", EVERY)
TRACEABLE = [*TRACED, *OVER_HTTP2]
FOLLOWING = pytest.mark.parametrize("client", TRACEABLE)
VOLATILE = (
    "time",
    "duration",
    "trace_id",
    "span_id",
    "parent_span_id",
    "service",
    "user_agent",
    "error",
    "attributes",
    "span",
)


def _columns(use: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in use.items() if name not in VOLATILE}


def _use(path: str, **more: Any) -> dict[str, Any]:
    return {
        "key": F1,
        "direction": "outgoing",
        "method": "GET",
        "path": path,
        "host": "127.0.0.1",
        "status": 200,
        "outcome": "success",
        "location": "header",
        "field": "x-api-key",
        "scheme": "none",
        "sampled": True,
        "pepper_id": Peppers(Secret(PEPPER)).id,
        **more,
    }


@SAMPLERS
@FOLLOWING
def test_a_call_with_a_key_is_one_use_with_the_ids_of_its_span(
    client: str, sampler: Any, otel: Instrumented, server: Server
) -> None:
    """The same row whatever calls and whatever the sampler says; the ids are the span's."""
    otel.start(sampler)
    server.routes["/p"] = (403, {})
    assert EVERY[client](f"{server.url}/p?color=blue", KEY) == 403
    (use,) = otel.uses()
    sampled = sampler is ALWAYS_ON
    assert _columns(use) == _use("/p", status=403, outcome="denied", sampled=sampled)
    assert [span["context"]["span_id"] for span in otel.exporter.spans] == (
        [f"0x{use['span_id']}"] if sampled else []
    )
    (traceparent,) = (v for n, v in server.requests[0][1] if n.lower() == "traceparent")
    assert traceparent.split("-")[1:3] == [use["trace_id"], use["span_id"]]
    assert not any(K1 in str(span) for span in otel.exporter.spans)


@ALL
def test_an_untraced_call_is_a_use_too(client: str, untraced: Instrumented, server: Server) -> None:
    """A call that nobody instruments is a use of its own."""
    untraced.start()
    assert EVERY[client](f"{server.url}/p?color=blue", KEY) == 200
    (use,) = untraced.uses()
    assert _columns(use) == _use("/p", sampled=False)


@ALL
def test_a_call_without_a_key_is_none(client: str, otel: Instrumented, server: Server) -> None:
    """Nothing is journaled and no span is marked."""
    otel.start()
    assert EVERY[client](f"{server.url}/p?color=blue", {}) == 200
    assert otel.uses() == []
    assert not any("keytrail" in str(span) for span in otel.exporter.spans)


@ALL
def test_a_key_in_the_url_is_found(client: str, otel: Instrumented, server: Server) -> None:
    """The use says where it stood; neither the row nor the ordinary span shows it."""
    otel.start()
    assert EVERY[client](f"{server.url}/p?color=blue&api_key={K1}", {}) == 200
    (use,) = otel.uses()
    found = {"location": "query", "field": "api_key", "findings": ["key_in_url"]}
    expected = _use("/p", **found, sampled=client in TRACEABLE)
    assert _columns(use) == {name: of for name, of in expected.items() if name != "scheme"}
    assert K1 not in str((use, otel.exporter.spans))


@pytest.mark.parametrize("traced", [True, False], ids=["traced", "untraced"])
@SAMPLERS
@FOLLOWING
def test_a_redirect_to_another_host_is_a_second_use_with_findings(
    client: str,
    sampler: Any,
    traced: bool,
    request: pytest.FixtureRequest,
    server: Server,
    other_server: Server,
) -> None:
    """C1: the hop that took the key to another host says so, whoever follows the redirect."""
    instrumented = request.getfixturevalue("otel" if traced else "untraced")
    instrumented.start(sampler)
    server.routes["/a"] = (302, {"Location": f"{other_server.url}/b"})
    assert EVERY[client](f"{server.url}/a", KEY) == 200
    first, second = instrumented.uses()
    assert (first["path"], first["status"], first.get("findings")) == ("/a", 302, None)
    assert (second["host"], second["path"], second["key"]) == ("localhost", "/b", F1)
    assert second["findings"] == ["wrong_host", "redirected"]
    assert second["attributes"]["keytrail.host_expected"] == "127.0.0.1"
    assert first["span_id"] != second["span_id"]
    exported = {span["context"]["span_id"] for span in instrumented.exporter.spans}
    for use in (first, second):
        assert use["sampled"] is (f"0x{use['span_id']}" in exported)


@FOLLOWING
def test_a_redirect_on_the_same_host_is_redirected_only(
    client: str, otel: Instrumented, server: Server
) -> None:
    """A hop to another path of the same host is nothing graver."""
    otel.start()
    server.routes["/a"] = (307, {"Location": "/b"})
    assert EVERY[client](f"{server.url}/a", KEY) == 200
    assert [use.get("findings") for use in otel.uses()] == [None, ["redirected"]]


@FOLLOWING
def test_a_header_that_is_stripped_on_the_way_is_no_finding(
    client: str, otel: Instrumented, server: Server, other_server: Server
) -> None:
    """Where the client takes ``Authorization`` away, the second hop is no use; else it is one."""
    otel.start()
    server.routes["/a"] = (302, {"Location": f"{other_server.url}/b"})
    assert EVERY[client](f"{server.url}/a", {"Authorization": f"Bearer {K1}"}) == 200
    kept = "authorization" in {name.lower() for name, _ in other_server.requests[0][1]}
    findings = [use.get("findings") for use in otel.uses()]
    assert findings == [None, *([["wrong_host", "redirected"]] if kept else [])]


@ALL
def test_a_refused_connection_is_an_error_or_no_use(client: str, otel: Instrumented) -> None:
    """The application gets its own exception; where the key was on its way, the use says it."""
    otel.start()
    with pytest.raises(Exception, match=r"(?i)refused|connect|retries") as raised:
        EVERY[client]("http://127.0.0.1:9/x", KEY)
    assert K1 not in str(raised.value)
    for use in otel.uses():
        assert (use["key"], use["outcome"], use.get("status")) == (F1, "error", None)


@pytest.mark.parametrize("mode", MODES)
def test_clients_are_seen_in_processes_of_their_own(
    mode: str, tmp_path: Path, server: Server, sink: Sink
) -> None:
    """One script that calls with every client, activated without code and in code."""
    environ = clean_environ(
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        KEYTRAIL_HOME=str(tmp_path),
        KEYTRAIL_PEPPER=PEPPER,
    )
    with http2_server() as of_http2:
        command = [*MODES[mode], "clients.py", server.url, K1, of_http2.url]
        done = subprocess.run(
            command, env=environ, cwd=APPS, capture_output=True, text=True, timeout=240, check=False
        )
    assert (done.returncode, done.stdout) == (0, "")
    assert [(use["path"], use["key"], use["status"]) for use in uses_in(tmp_path)] == [
        (f"/{client}", F1, 200) for client in EVERY
    ]
