r"""Warehouse: a small Flask service that the orders service and the shop's old kiosks call.

Callers send their key as ``X-API-Key``; the kiosks, which nobody can update, put it into the URL.
For every reservation the warehouse asks a paid API what the shipping costs.

    WAREHOUSE_CALLERS='{"<SHA-256 of a key>": "orders"}' \
    SHIPPING_URL=http://127.0.0.1:5002 SHIPPING_KEY=... PORT=5001 \
    python warehouse.py
"""

import hashlib
import json
import logging
import os
from typing import Any

import requests
from flask import Flask, abort, request

CALLERS: dict[str, str] = json.loads(os.environ["WAREHOUSE_CALLERS"])
STOCK = {f"SKU-{number:03d}": number * 3 for number in range(40)}

app = Flask(__name__)
shipping = requests.Session()
shipping.headers["X-API-Key"] = os.environ["SHIPPING_KEY"]


@app.before_request
def authenticate() -> None:
    """Let callers in whose key we know."""
    if request.endpoint == "health":
        return
    key = request.headers.get("X-API-Key") or request.args.get("api_key", "")
    if hashlib.sha256(key.encode()).hexdigest() not in CALLERS:
        abort(401)


@app.get("/health")
def health() -> str:
    """Say that we are up; needs no key."""
    return "ok"


@app.get("/stock/<sku>")
def read_stock(sku: str) -> dict[str, Any]:
    """Return how many pieces of one article there are."""
    if sku not in STOCK:
        abort(404)
    return {"sku": sku, "pieces": STOCK[sku]}


@app.post("/reservations")
def reserve() -> tuple[dict[str, Any], int]:
    """Put goods aside, and ask what it costs to send them."""
    wanted = request.get_json()
    if wanted["sku"] not in STOCK:
        abort(404)
    quote = shipping.post(
        f"{os.environ['SHIPPING_URL']}/v1/quotes", json={"pieces": wanted["quantity"]}, timeout=10
    )
    quote.raise_for_status()
    return {"sku": wanted["sku"], "shipping": quote.json()["price"]}, 201


@app.get("/exports/stock")
def export_stock() -> dict[str, int]:
    """Return everything that there is."""
    return STOCK


if __name__ == "__main__":
    # werkzeug's access log would write the kiosks' URLs, and their keys with them.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app.run(port=int(os.environ["PORT"]), threaded=True)
