"""Paid API: stands in, on loopback, for the payment and shipping providers that bill by key.

It is somebody else's service: nothing is installed in it, and what the demo knows about the calls
to it, it knows from the callers.

    PAID_API_KEYS='["<SHA-256 of a key>"]' PORT=5002 python paid_api.py
"""

import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEYS = frozenset(json.loads(os.environ["PAID_API_KEYS"]))
CARD_LIMIT = 200


class PaidApi(BaseHTTPRequestHandler):
    """Answers charges, shipping quotes and lists of customers to whoever has a key."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """List customers, or say that we are up."""
        if self.path == "/health":
            self._answer(200, "ok")
        elif not self._knows_key():
            self._answer(401, {"error": "unknown key"})
        elif self.path.startswith("/v1/customers"):
            self._answer(200, [{"name": f"Person {n}", "card": "4242"} for n in range(20)])
        else:
            self._answer(404, {"error": "no such thing"})

    def do_POST(self) -> None:
        """Charge a card, or quote a price for shipping."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._knows_key():
            self._answer(401, {"error": "unknown key"})
        elif self.path == "/v1/charges" and body["amount"] > CARD_LIMIT:
            self._answer(402, {"error": "card declined"})
        elif self.path == "/v1/charges":
            self._answer(200, {"paid": body["amount"]})
        elif self.path == "/v1/quotes":
            self._answer(200, {"price": 5 + body["pieces"]})
        else:
            self._answer(404, {"error": "no such thing"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's word
        """Say nothing: the demo reads what the callers record."""

    def _knows_key(self) -> bool:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        key = bearer or self.headers.get("X-API-Key", "")
        return hashlib.sha256(key.encode()).hexdigest() in KEYS

    def _answer(self, status: int, body: Any) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), PaidApi).serve_forever()
