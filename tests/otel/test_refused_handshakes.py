"""WebSocket handshakes that the application refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from support.cases import F1, K1
from support.instrumented import Instrumented

CLOSE = {"type": "websocket.close", "code": 4401}
ACCEPT = {"type": "websocket.accept"}


def _response(status: int) -> list[dict[str, Any]]:
    return [
        {"type": "websocket.http.response.start", "status": status, "headers": []},
        {"type": "websocket.http.response.body", "body": b""},
    ]


@pytest.fixture
def otel(tmp_path: Path) -> Iterator[Instrumented]:
    """Keytrail active, with a provider that is the global one."""
    instrumented = Instrumented(tmp_path, [], is_global=True)
    yield instrumented
    instrumented.stop()


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([CLOSE], (403, "denied")),
        (_response(401), (401, "denied")),
        (_response(429), (429, "rate_limited")),
        ([ACCEPT, {"type": "websocket.send", "text": ""}, CLOSE], (200, "success")),
    ],
    ids=["closed", "401", "429", "accepted"],
)
def test_what_a_handshake_is_answered_is_told(
    answers: list[dict[str, Any]], told: tuple[int, str], sampler: Sampler, otel: Instrumented
) -> None:
    """A close before the acceptance is what servers answer with 403; one after it is an end."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for answer in answers:
            await send(answer)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/ws",
        "scheme": "ws",
        "query_string": b"",
        "headers": [(b"host", b"h"), (b"x-api-key", K1.encode())],
        "server": ("h", 80),
    }
    provider = otel.start(sampler)
    asyncio.run(OpenTelemetryMiddleware(app, tracer_provider=provider)(scope, receive, send))
    assert sent == answers
    (use,) = otel.uses()
    assert (use["key"], use["path"]) == (F1, "/ws")
    assert (use["status"], use["outcome"]) == told
