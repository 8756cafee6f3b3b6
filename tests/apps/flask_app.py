"""An ordinary Flask service, with no word of OpenTelemetry or keytrail in it."""

from __future__ import annotations

import logging
import os
import sys
import threading

import httpx
import requests
from flask import Flask, Response, request

app = Flask(__name__)
MEETINGS: dict[int, threading.Barrier] = {}
OWN_KEY = os.environ.get("OWN_KEY", "")


@app.get("/ok/<thing>")
def ok(thing: str) -> dict[str, str]:
    """Answer."""
    return {"thing": thing}


@app.get("/meet/<int:number>")
def meet(number: int) -> str:
    """Answer when so many requests are here at once."""
    MEETINGS.setdefault(number, threading.Barrier(number)).wait(60)
    return "met"


@app.get("/status/<int:code>")
def status(code: int) -> Response:
    """Answer with a status of the caller's choice."""
    return Response(status=code)


@app.get("/boom")
def boom() -> str:
    """Log the address, and fail."""
    logging.getLogger("app").warning("asked for %s", request.url)
    raise ValueError("it went wrong")


@app.get("/echo")
def echo() -> Response:
    """Answer with the request's headers and query as they came in."""
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    text = "\n".join([*lines, request.environ["QUERY_STRING"]])
    return Response(text.encode("latin-1"), content_type="text/plain")


@app.get("/requests")
def through_requests() -> dict[str, int]:
    """Call ``url`` with the service's own key."""
    answer = requests.get(request.args["url"], headers={"X-API-Key": OWN_KEY}, timeout=60)
    return {"status": answer.status_code}


@app.get("/httpx")
def through_httpx() -> dict[str, int]:
    """Call ``url`` with the service's own key."""
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        answer = client.get(request.args["url"], headers={"X-API-Key": OWN_KEY})
    return {"status": answer.status_code}


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
