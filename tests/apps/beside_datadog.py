"""A service that Datadog's tracer and OpenTelemetry both trace, set up in one order or the other.

``python beside_datadog.py datadog,sdk,keytrail URL KEY FILE`` sets up what it is told to, answers a
request, makes calls with several clients, and writes what Datadog's tracer would send to its agent:
one span a line. What is called keytrail here may be a stand-in that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

order, url, key, file = sys.argv[1:]


def datadog() -> None:
    """Let Datadog's tracer put itself in, as ``ddtrace-run`` does."""
    import ddtrace.auto  # noqa: F401


def sdk() -> None:
    """Set up the SDK of OpenTelemetry."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


def keytrail() -> None:
    """Set up keytrail and the instrumentations."""
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    from keytrail.activate import zero_code

    zero_code()
    instrumentors: list[Any] = [
        AioHttpClientInstrumentor(),
        FlaskInstrumentor(),
        HTTPXClientInstrumentor(),
        RequestsInstrumentor(),
    ]
    for instrumentor in instrumentors:
        instrumentor.instrument()


for name in order.split(","):
    {"datadog": datadog, "sdk": sdk, "keytrail": keytrail}[name]()

import aiohttp  # noqa: E402
import flask  # noqa: E402
import httpx  # noqa: E402
import requests  # noqa: E402
from ddtrace.trace import TraceFilter, tracer  # noqa: E402


class Written(TraceFilter):
    """Writes every span instead of sending it."""

    def process_trace(self, trace: list[Any]) -> None:
        with Path(file).open("a") as written:
            for span in trace:
                told = [span.name, span.service, span.resource, span.span_type, span.error]
                tags = {**span.get_tags(), **span.get_metrics()}
                written.write(json.dumps([told, tags]) + "\n")


tracer.configure(trace_processors=[Written()])
headers = {"X-API-Key": key}
app = flask.Flask("app")


@app.get("/asked")
def asked() -> str:
    """Call with every client."""
    requests.get(f"{url}/requests?api_key={key}", timeout=60)
    httpx.get(f"{url}/httpx", headers=headers, timeout=60)
    asyncio.run(_with_aiohttp())
    return "answered"


async def _with_aiohttp() -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/aiohttp", headers=headers):
        pass


sys.stdout.write(app.test_client().get("/asked", headers=headers).text)
tracer.shutdown()
