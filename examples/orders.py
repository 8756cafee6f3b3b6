r"""Orders: a small FastAPI service that customers call with an API key.

Customers send their key as ``X-API-Key`` or as a bearer token. To do its work the service calls the
warehouse and a paid payment API, with keys of its own. Not a line of it knows that it is watched.

    ORDERS_CUSTOMERS='{"<SHA-256 of a key>": {"name": "acme", "per_hour": 1000}}' \
    WAREHOUSE_URL=http://127.0.0.1:5001 WAREHOUSE_KEY=... \
    PAYMENTS_URL=http://127.0.0.1:5002 PAYMENTS_KEY=... \
    uvicorn orders:app
"""

import hashlib
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, NonNegativeInt

HOUR = 3600.0


@dataclass(frozen=True)
class Customer:
    """Who may call us: how often, and whether the exports are open to them."""

    name: str
    per_hour: int
    may_export: bool = False


class Order(BaseModel):
    """What a customer buys."""

    sku: str
    quantity: NonNegativeInt


CUSTOMERS = {
    digest: Customer(**about)
    for digest, about in json.loads(os.environ["ORDERS_CUSTOMERS"]).items()
}
ORDERS = {
    number: Order(sku=f"SKU-{number % 40:03d}", quantity=number % 7) for number in range(1000, 1200)
}
PRICE = 40

warehouse = httpx.AsyncClient(
    base_url=os.environ["WAREHOUSE_URL"], headers={"X-API-Key": os.environ["WAREHOUSE_KEY"]}
)
payments = httpx.AsyncClient(
    base_url=os.environ["PAYMENTS_URL"],
    headers={"Authorization": f"Bearer {os.environ['PAYMENTS_KEY']}"},
)
recent_calls: defaultdict[str, deque[float]] = defaultdict(deque)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the connections to the other services on the way out."""
    async with warehouse, payments:
        yield


app = FastAPI(title="Orders", lifespan=lifespan)


async def authenticate(
    x_api_key: Annotated[str | None, Header()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> Customer:
    """Return whose key this is; 401 without a key and for one that we do not know."""
    key = x_api_key or (authorization or "").removeprefix("Bearer ")
    if not key:
        raise HTTPException(401, "send your key as X-API-Key")
    customer = CUSTOMERS.get(hashlib.sha256(key.encode()).hexdigest())
    if customer is None:
        raise HTTPException(401, "we do not know this key")
    return customer


async def within_quota(customer: Annotated[Customer, Depends(authenticate)]) -> Customer:
    """Return the customer; 429 when the quota of the last hour is used up."""
    calls, now = recent_calls[customer.name], time.monotonic()
    while calls and calls[0] < now - HOUR:
        calls.popleft()
    if len(calls) >= customer.per_hour:
        raise HTTPException(429, "your quota for this hour is used up", {"Retry-After": "3600"})
    calls.append(now)
    return customer


async def may_export(customer: Annotated[Customer, Depends(within_quota)]) -> Customer:
    """Return the customer; 403 where the exports are not part of the contract."""
    if not customer.may_export:
        raise HTTPException(403, "your key does not open the exports")
    return customer


@app.get("/health")
async def health() -> str:
    """Say that we are up; needs no key."""
    return "ok"


@app.get("/orders", dependencies=[Depends(within_quota)])
async def list_orders(page: NonNegativeInt = 0) -> list[int]:
    """Return the numbers of twenty orders."""
    return sorted(ORDERS)[page * 20 : page * 20 + 20]


@app.get("/orders/{number}", dependencies=[Depends(within_quota)])
async def read_order(number: int) -> Order:
    """Return one order."""
    if number not in ORDERS:
        raise HTTPException(404, "no such order")
    return ORDERS[number]


@app.get("/orders/{number}/invoice", dependencies=[Depends(within_quota)])
async def read_invoice(number: int) -> dict[str, float]:
    """Return the price of one piece, shipping included.

    An order of nothing is a bug that nobody has fixed yet: it divides by zero and answers 500.
    """
    order = await read_order(number)
    return {"piece": PRICE + 5 / order.quantity}


@app.post("/orders", status_code=201, dependencies=[Depends(within_quota)])
async def place_order(order: Order) -> dict[str, Any]:
    """Reserve the goods in the warehouse, charge the customer, and return what was agreed."""
    reserved = await warehouse.post("/reservations", json=order.model_dump())
    if reserved.is_error:
        raise HTTPException(409, "the warehouse could not reserve this")
    charged = await payments.post("/v1/charges", json={"amount": order.quantity * PRICE})
    if charged.is_error:
        raise HTTPException(402, "the card was declined")
    return {"reservation": reserved.json(), "charge": charged.json()}


@app.get("/exports/orders", dependencies=[Depends(may_export)])
async def export_orders(page: NonNegativeInt = 0) -> dict[str, Any]:
    """Return a page of orders, each with what the warehouse has of it."""
    stock = (await warehouse.get("/exports/stock")).raise_for_status().json()
    return {str(number): stock.get(ORDERS[number].sku) for number in await list_orders(page)}


@app.get("/exports/cardholders", dependencies=[Depends(may_export)])
async def export_cardholders(page: NonNegativeInt = 0) -> Any:
    """Return a page of the people who pay, as the payment API knows them."""
    return (await payments.get("/v1/customers", params={"page": page})).raise_for_status().json()
