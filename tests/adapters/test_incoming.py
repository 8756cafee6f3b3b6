"""Every server with its stock instrumentation: a request with a key is one use, whole and right."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import grpc
import pytest
import requests
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from websockets.asyncio.client import connect

from adapters.running_servers import Running
from apps.servers import SERVERS
from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import F1, F2, K1, K2, PEPPER

HTTP = [name for name in SERVERS if not name.startswith("grpc")]
GRPC = [name for name in SERVERS if name.startswith("grpc")]
ROUTES = {
    "fastapi": ("/{server}/status/{status}",),
    "starlette": ("/{server}/status/{status:int}",),
    "flask": ("/<server>/status/<int:status>",),
    "django_wsgi": ("<str:server>/status/<int:status>",),
    "django_asgi": ("<str:server>/status/<int:status>",),
    "falcon": ("/{server}/status/{status:int}",),
    "pyramid": ("/{server}/status/{status}",),
    "aiohttp": ("/{server}/status/{status}", "answer"),
}
"""What the instrumentations say of the route, an older one the handler's name; others nothing."""
VOLATILE = ("time", "duration", "trace_id", "span_id", "attributes", "span")
MARKS = {
    "keytrail.schema_version": "1.0",
    "keytrail.direction": "incoming",
    "keytrail.key.present": True,
    "keytrail.key.hash": F1,
    "keytrail.key.pepper_id": Peppers(Secret(PEPPER)).id,
    "keytrail.key.type": "opaque",
    "keytrail.key.location": "header",
    "keytrail.key.field": "x-api-key",
    "keytrail.key.scheme": "none",
    "keytrail.sampled": True,
}


def _columns(use: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in use.items() if name not in VOLATILE}


def _marks(servers: Running, use: dict[str, Any]) -> dict[str, Any]:
    span = servers.span_of(use)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.attributes["keytrail.use.time"] == use["time"]
    return {
        name: value
        for name, value in span.attributes.items()
        if name.startswith("keytrail.") and name != "keytrail.use.time"
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "success"), (401, "denied"), (429, "rate_limited"), (503, "error")],
)
@pytest.mark.parametrize("server", HTTP)
def test_a_request_with_a_key_is_one_use(
    server: str, status: int, outcome: str, servers: Running
) -> None:
    """The row and the span's attributes are the same whatever serves, but for the route."""
    path = f"/{server}/status/{status}"
    headers = {"X-API-Key": K1, "User-Agent": "agent/1"}
    answer = requests.get(f"{servers.url(server)}{path}?color=blue", headers=headers, timeout=60)
    assert answer.status_code == status
    use = servers.use(path=path, location="header", user_agent="agent/1")
    route = {"route": use["route"]} if use.get("route") in ROUTES.get(server, ()) else {}
    assert _columns(use) == {
        "key": F1,
        "direction": "incoming",
        "method": "GET",
        "path": path,
        "host": "127.0.0.1",
        "status": status,
        "outcome": outcome,
        "client": "127.0.0.1",
        "user_agent": "agent/1",
        "service": "servers",
        "location": "header",
        "field": "x-api-key",
        "scheme": "none",
        "sampled": True,
        "pepper_id": Peppers(Secret(PEPPER)).id,
        **route,
        **({"error": use["error"]} if "error" in use else {}),
    }
    assert _marks(servers, use) == {**MARKS, "keytrail.outcome": outcome}


@pytest.mark.parametrize("server", HTTP)
def test_repeated_headers_and_the_query_are_read(server: str, servers: Running) -> None:
    """Nothing is lost between the wire and the view: two lines of one header, and a parameter."""
    path = f"/{server}/status/204"
    url = f"{servers.url(server)}{path}?a=1&api%5Fkey=query-key-0123456789"
    with requests.Session() as session:
        session.headers.clear()
        request = requests.Request("GET", url, {"X-API-Key": K1, "Authorization": f"Bearer {K2}"})
        assert session.send(request.prepare(), timeout=60).status_code == 204
    use = servers.use(path=path)
    assert (use["key"], use["scheme"], use["field"]) == (F2, "bearer", "authorization")
    assert use["attributes"]["keytrail.key.count"] == 3
    assert use["findings"] == ["key_in_url"]
    assert "query-key" not in str((use, servers.sink.spans))


@pytest.mark.parametrize("server", ["starlette", "tornado"])
def test_a_websocket_handshake_is_a_use(server: str, servers: Running) -> None:
    """The key of the handshake is seen; the socket works as before."""
    agent = f"socket-{server}"

    async def talk() -> str:
        url = servers.url(server).replace("http", "ws")
        headers = {"X-API-Key": K2}
        async with connect(
            f"{url}/ws?of={server}", additional_headers=headers, user_agent_header=agent
        ) as socket:
            return str(await socket.recv())

    assert asyncio.run(talk()) == server
    use = servers.use(user_agent=agent, path="/ws", key=F2, host="127.0.0.1", client="127.0.0.1")
    assert (use["location"], use["field"], use["direction"]) == ("header", "x-api-key", "incoming")
    assert K2 not in str((use, servers.sink.spans))


@pytest.mark.parametrize(
    ("code", "outcome", "error"),
    [
        (0, "success", None),
        (16, "denied", "UNAUTHENTICATED"),
        (7, "denied", "PERMISSION_DENIED"),
        (8, "rate_limited", "RESOURCE_EXHAUSTED"),
        (13, "error", "INTERNAL"),
    ],
)
@pytest.mark.parametrize("method", ["Get", "Stream"])
@pytest.mark.parametrize("server", GRPC)
def test_a_call_with_a_key_is_one_use(
    server: str, method: str, code: int, outcome: str, error: str | None, servers: Running
) -> None:
    """gRPC: metadata instead of headers, a status code of its own, the peer as client."""
    agent = f"{server}-{code}-"
    options = [("grpc.primary_user_agent", agent)]
    metadata = (("x-api-key", K1), ("x-api-key", K2))
    with grpc.insecure_channel(f"127.0.0.1:{servers.ports[server]}", options) as channel:
        make = channel.unary_unary if method == "Get" else channel.unary_stream
        call = make(f"/test.Status/{method}")
        with pytest.raises(grpc.RpcError) if code else nullcontext() as raised:
            told = call(str(code).encode(), metadata=metadata)
            assert (told if method == "Get" else b"".join(told)) == b"done"
        assert raised is None or raised.value.code().value[0] == code
    use = servers.use(
        lambda use: use["user_agent"].startswith(agent), path=f"/test.Status/{method}"
    )
    told_error = {} if error is None else {"error": error}
    assert _columns(use) == {
        "key": F1,
        "direction": "incoming",
        "method": "POST",
        "path": f"/test.Status/{method}",
        "outcome": outcome,
        "client": "127.0.0.1",
        "user_agent": use["user_agent"],
        "service": "servers",
        "location": "metadata",
        "field": "x-api-key",
        "scheme": "none",
        "sampled": True,
        "pepper_id": Peppers(Secret(PEPPER)).id,
        "findings": ["duplicate"],
        **told_error,
    }
    assert use["attributes"]["rpc.grpc.status_code"] == code
    assert _marks(servers, use) == {
        **MARKS,
        "keytrail.key.location": "metadata",
        "keytrail.key.count": 2,
        "keytrail.key.other_hashes": [F2],
        "keytrail.finding": "duplicate",
        "keytrail.findings": ["duplicate"],
        "keytrail.outcome": outcome,
    }
