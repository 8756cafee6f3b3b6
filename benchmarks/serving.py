"""``python -m benchmarks.serving <stock|keytrail> <port>``: the service that is put under load.

A bare FastAPI handler on uvicorn under auto-instrumentation, set up by the environment; ``stock``
is the same without keytrail.
"""

from __future__ import annotations

import sys

from fastapi import FastAPI

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    """Answer."""
    return {"item": number}


def main() -> None:
    """Instrument as ``opentelemetry-instrument`` does, then serve."""
    import uvicorn
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    import keytrail.activate

    side, port = sys.argv[1:]
    if side == "stock":
        keytrail.activate.zero_code = lambda: None
    initialize()
    from benchmarks.serving import app as instrumented

    uvicorn.run(instrumented, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
