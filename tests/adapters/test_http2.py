"""httpx over HTTP/2 as it is used: under TLS, many calls at once on one connection, retried."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.cases import F1, F2, K1, K2
from support.http2 import https2_server
from support.instrumented import Instrumented
from support.servers import Server

KEY = {"X-API-Key": K1}


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Server]:
    """A server of HTTP/2 under TLS, and no other HTTP."""
    with https2_server(tmp_path) as server:
        yield server


@pytest.fixture
def trust(encrypted: Server, tmp_path: Path) -> ssl.SSLContext:
    """What clients verify the server with."""
    return ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))


def _told(use: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        use.get(name) for name in ("key", "host", "path", "status", "location", "findings")
    )


def test_a_negotiated_call_is_a_use_like_any(
    otel: Instrumented, encrypted: Server, trust: ssl.SSLContext
) -> None:
    """The client offers both versions and TLS settles on HTTP/2; a header and a parameter."""
    otel.start()
    with httpx.Client(http2=True, verify=trust, timeout=60) as client:
        answers = [
            client.get(f"{encrypted.url}/header", headers=KEY),
            client.get(f"{encrypted.url}/query?color=blue&api_key={K2}"),
        ]
    assert [answer.http_version for answer in answers] == ["HTTP/2", "HTTP/2"]
    assert [_told(use) for use in otel.uses(2)] == [
        (F1, "localhost", "/header", 200, "header", None),
        (F2, "localhost", "/query", 200, "query", ["key_in_url"]),
    ]
    spans = {span["context"]["span_id"]: span["attributes"] for span in otel.spans(2)}
    assert [spans[f"0x{use['span_id']}"]["keytrail.key.hash"] for use in otel.uses()] == [F1, F2]
    assert encrypted.requests[1][0] == f"/query?color=blue&api_key={K2}"
    assert K2 not in str((otel.uses(), spans))


def test_streams_of_one_connection_are_uses_of_their_own(
    otel: Instrumented, encrypted: Server, trust: ssl.SSLContext
) -> None:
    """Thirty calls at once over one connection: each with its own span, status and key."""
    otel.start()
    encrypted.routes["/denied"] = (401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    async def call() -> None:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(http2=True, verify=trust, limits=limits, timeout=60) as client:
            await asyncio.gather(
                *(client.get(f"{encrypted.url}/granted", headers=KEY) for _ in range(15)),
                *(
                    client.get(f"{encrypted.url}/denied", headers={"X-API-Key": K2})
                    for _ in range(15)
                ),
            )

    asyncio.run(call())
    uses = otel.uses(30)
    told = [(use["key"], use["path"], use["outcome"], use.get("reason")) for use in uses]
    assert sorted(told, key=str) == sorted(
        [(F1, "/granted", "success", None)] * 15 + [(F2, "/denied", "denied", "unknown_key")] * 15,
        key=str,
    )
    sent = {dict(headers)["traceparent"].split("-")[2] for _, headers in encrypted.requests}
    assert {use["span_id"] for use in uses} == sent
    assert len(sent) == 30


def test_a_retry_is_a_use_and_a_lost_answer_an_error(
    otel: Instrumented, encrypted: Server, trust: ssl.SSLContext
) -> None:
    """The application tries again after a refusal; its last call gets no answer in time."""
    otel.start()
    statuses = iter([503, 200])

    class Changing(dict[str, tuple[int, dict[str, str]]]):
        def get(self, *_: object) -> tuple[int, dict[str, str]]:
            return next(statuses), {}

    encrypted.routes = Changing()
    with httpx.Client(http2=True, verify=trust, timeout=60) as client:
        while client.get(f"{encrypted.url}/p", headers=KEY).status_code == 503:
            pass
        encrypted.silent = True
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"{encrypted.url}/p", headers=KEY, timeout=httpx.Timeout(60, read=0.5))
    assert [
        (use["key"], use.get("status"), use["outcome"], use.get("error")) for use in otel.uses(3)
    ] == [(F1, 503, "error", None), (F1, 200, "success", None), (F1, None, "error", "ReadTimeout")]
