"""The oracle's service on FastAPI."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from leaks.handling import handle

app = FastAPI()


@app.get("/in/{rest:path}")
@app.get("/out/{rest:path}")
@app.get("/finish")
def answer(request: Request) -> Response:
    """Do what the path says."""
    return Response(status_code=handle(request.scope["path"]))
