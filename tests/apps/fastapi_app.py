"""An ordinary FastAPI service, with no word of OpenTelemetry or keytrail in it."""

from __future__ import annotations

import asyncio
import logging
import os

import httpx
import requests
from fastapi import FastAPI, Request, Response, WebSocket

app = FastAPI()
OWN_KEY = os.environ.get("OWN_KEY", "")


@app.get("/ok/{thing}")
async def ok(thing: str) -> dict[str, str]:
    """Answer."""
    return {"thing": thing}


@app.get("/slow")
async def slow() -> None:
    """Answer when whoever waits has long given up."""
    await asyncio.sleep(300)


@app.websocket("/socket")
async def socket(socket: WebSocket) -> None:
    """Say a word, then wait for one."""
    await socket.accept()
    await socket.send_text("hello")
    await socket.receive_text()


@app.get("/status/{code}")
async def status(code: int) -> Response:
    """Answer with a status of the caller's choice."""
    return Response(status_code=code)


@app.get("/boom")
async def boom(request: Request) -> None:
    """Log the address, and fail."""
    logging.getLogger("app").warning("asked for %s", request.url)
    raise ValueError("it went wrong")


@app.get("/echo")
async def echo(request: Request) -> Response:
    """Answer with the request's headers and query as they came in."""
    lines = [name + b": " + value for name, value in request.headers.raw]
    return Response(b"\n".join([*lines, request.scope["query_string"]]), media_type="text/plain")


@app.get("/requests")
def through_requests(url: str) -> dict[str, int]:
    """Call ``url`` with the service's own key."""
    answer = requests.get(url, headers={"X-API-Key": OWN_KEY}, timeout=60)
    return {"status": answer.status_code}


@app.get("/httpx")
def through_httpx(url: str) -> dict[str, int]:
    """Call ``url`` with the service's own key."""
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        return {"status": client.get(url, headers={"X-API-Key": OWN_KEY}).status_code}


@app.get("/httpx-async")
async def through_async_httpx(url: str) -> dict[str, int]:
    """Call ``url`` with the service's own key."""
    async with httpx.AsyncClient(follow_redirects=True, timeout=60) as client:
        return {"status": (await client.get(url, headers={"X-API-Key": OWN_KEY})).status_code}
