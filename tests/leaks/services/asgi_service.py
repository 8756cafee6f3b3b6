"""The oracle's service as an ASGI application of its own, wrapped by its author."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from leaks.handling import handle


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    status = 404
    if scope["path"].startswith(("/in/", "/out/", "/finish")):
        status = await asyncio.to_thread(handle, scope["path"])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


app = OpenTelemetryMiddleware(_answer)
