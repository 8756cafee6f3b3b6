"""What Splunk's HTTP Event Collector takes and answers, as its documentation has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.servers import body_of, listening

PATH = "/services/collector"
ANSWERS = {
    200: {"text": "Success", "code": 0},
    400: {"text": "Invalid data format", "code": 6},
    401: {"text": "Token is required", "code": 2},
    403: {"text": "Invalid token", "code": 4},
    404: {"text": "The requested URL was not found on this server.", "code": 404},
    503: {"text": "Server is busy", "code": 9},
}


@dataclass
class Splunk:
    """A running event collector; only events with its token and index are kept."""

    token: str
    index: str
    port: int = 0
    busy: bool = False
    refused: int = 0
    """Requests that were answered with another status than 200."""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        """What the exporter is given."""
        return f"http://127.0.0.1:{self.port}{PATH}"


@contextmanager
def splunk(token: str = "none", index: str = "keytrail_audit") -> Iterator[Splunk]:
    """Run an event collector on a free port."""
    kept = Splunk(token, index)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = body_of(self)
            status = self._status(body)
            kept.refused += status != 200
            answer = json.dumps(ANSWERS[status]).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _status(self, body: bytes) -> int:
            if self.path != PATH:
                return 404
            given = self.headers.get("Authorization")
            if given != f"Splunk {kept.token}":
                return 401 if given is None else 403
            if kept.busy:
                return 503
            try:
                events = list(_events(body.decode()))
            except ValueError:
                return 400
            if any("event" not in one or one.get("index") != kept.index for one in events):
                return 400
            kept.events += events
            return 200

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as kept.port:
        yield kept


def _events(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a batch, which stand one behind the other."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        event, at = decoder.raw_decode(text, at)
        yield event
        while at < len(text) and text[at].isspace():
            at += 1
