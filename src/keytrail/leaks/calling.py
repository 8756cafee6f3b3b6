"""How an application calls another with a key: every client, carrier and way to fail.

``CLIENTS`` has one entry for each client library, ``CARRIERS`` one for each place of a request that
can hold a key. The functions know nothing of keytrail.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from keytrail.leaks.canary import key_of
from keytrail.leaks.planting import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("app")

STATUSES: Final = {"success": 200, "denied": 401, "missing": 404, "broken": 500}
"""Outcome → what the other side answers."""
SILENCE: Final = 0.15
"""Seconds that a client waits for the server that never answers."""
PATIENCE: Final = 60.0
"""Seconds that it waits for everything else."""


class Call(NamedTuple):
    """One request to be sent."""

    url: str
    headers: dict[str, str]
    wait: float = PATIENCE
    """Seconds for the answer."""


class Addresses(NamedTuple):
    """Base URLs of other services."""

    answering: str
    """Answers with the status that is the first part of the path."""
    silent: str
    """Takes connections and never answers."""


def canary(client: str, carrier: str, outcome: str) -> str:
    """Return the key that a call with these parts carries."""
    return key_of(f"outgoing {client}, {carrier}, {outcome}")


def _header(url: str, key: str) -> Call:
    return Call(url, {"X-API-Key": key})


def _bearer(url: str, key: str) -> Call:
    return Call(url, {"Authorization": f"Bearer {key}"})


def _basic(url: str, key: str) -> Call:
    packed = base64.b64encode(f"shop:{key}".encode()).decode()
    return Call(url, {"Authorization": f"Basic {packed}"})


def _query(url: str, key: str) -> Call:
    return Call(f"{url}?color=blue&api_key={key}&page=2", {})


def _userinfo(url: str, key: str) -> Call:
    return Call(url.replace("://", f"://shop:{key}@"), {})


def _cookie(url: str, key: str) -> Call:
    return Call(url, {"Cookie": f"canary={key}; color=blue"})


def _path(url: str, key: str) -> Call:
    return Call(f"{url}/{key}/items", {"X-API-Key": key})


CARRIERS: Final[dict[str, Callable[[str, str], Call]]] = {
    "header": _header,
    "bearer": _bearer,
    "basic": _basic,
    "query": _query,
    "userinfo": _userinfo,
    "cookie": _cookie,
    "path": _path,
}
"""Carrier → the request in which it carries the key."""


def _with_requests(call: Call) -> None:
    import requests

    timeout = (PATIENCE, call.wait)
    requests.get(call.url, headers=call.headers, timeout=timeout).raise_for_status()


def _with_httpx(call: Call) -> None:
    import httpx

    timeout = httpx.Timeout(PATIENCE, read=call.wait)
    with httpx.Client(timeout=timeout, verify=False) as client:  # noqa: S501 - nothing answers
        client.get(call.url, headers=call.headers).raise_for_status()


def _with_async_httpx(call: Call) -> None:
    import httpx

    async def send() -> None:
        timeout = httpx.Timeout(PATIENCE, read=call.wait)
        async with httpx.AsyncClient(timeout=timeout, verify=False) as client:  # noqa: S501
            (await client.get(call.url, headers=call.headers)).raise_for_status()

    asyncio.run(send())


def _with_urllib3(call: Call) -> None:
    import urllib3

    timeout = urllib3.Timeout(connect=PATIENCE, read=call.wait)
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", call.url, headers=call.headers, timeout=timeout, retries=False)
    if answer.status >= 400:
        raise ClientError(f"{answer.status} from {call.url}")


CLIENTS: Final[dict[str, Callable[[Call], None]]] = {
    "requests": _with_requests,
    "httpx": _with_httpx,
    "httpx async": _with_async_httpx,
    "urllib3": _with_urllib3,
}
"""Client library → how it sends a call; raises what the library raises, and for 4xx and 5xx."""

FAILURES: Final[dict[str, Callable[[Call], Call]]] = {
    "refused": lambda call: call,
    "refused over TLS": lambda call: call,
    "timeout": lambda call: call._replace(wait=SILENCE),
    "invalid header": lambda call: Call(
        call.url, {name: f"{value}\n" for name, value in call.headers.items()}
    ),
}
"""Outcome without an answer → what the application does to the call."""
OUTCOMES: Final = (*STATUSES, *FAILURES)


def exists(carrier: str, outcome: str) -> bool:
    """Tell whether a call with these parts can be made."""
    return outcome != "invalid header" or bool(CARRIERS[carrier]("", "").headers)


def call(client: str, carrier: str, outcome: str, others: Addresses) -> None:
    """Make the call; log what fails, and raise a clean error from it."""
    made = CARRIERS[carrier](_address(outcome, others), canary(client, carrier, outcome))
    try:
        CLIENTS[client](FAILURES[outcome](made) if outcome in FAILURES else made)
    except Exception as error:
        logger.exception("calling %s failed", made.url)
        raise ClientError("the other side failed") from error


def _address(outcome: str, others: Addresses) -> str:
    if outcome == "refused":
        return "http://127.0.0.1:9/200"
    if outcome == "refused over TLS":
        return "https://127.0.0.1:9/200"
    if outcome == "timeout":
        return f"{others.silent}/200"
    return f"{others.answering}/{STATUSES.get(outcome, 200)}"
