"""The service of :mod:`benchmarks.latency`: ``python -m benchmarks.latency_service PORT``."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider

import keytrail

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    """Answer like an API that has little to do."""
    return {"number": number}


if __name__ == "__main__":
    keytrail.instrument()
    FastAPIInstrumentor.instrument_app(app, tracer_provider=TracerProvider())
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", timeout_keep_alive=600)
