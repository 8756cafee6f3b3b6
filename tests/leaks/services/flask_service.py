"""The oracle's service on Flask."""

from __future__ import annotations

import sys

from flask import Flask, Response, request

from leaks.handling import handle

app = Flask(__name__)


@app.get("/in/<path:rest>")
@app.get("/out/<path:rest>")
@app.get("/finish")
def answer(rest: str = "") -> Response:
    """Do what the path says."""
    return Response(status=handle(request.path))


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
