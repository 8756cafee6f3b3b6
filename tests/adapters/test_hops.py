"""What a chain of hops says of its later ones: keyless hops, keys that come late, other hosts."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Generator

import aiohttp
import httpx
import pytest
import requests
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from support.cases import F1, F2, K1, K2
from support.instrumented import Instrumented
from support.servers import Server

SAMPLERS = pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])


class Steps(httpx.Auth):
    """Sends a key, then none, then the key again, as an authentication of several steps may."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request three times."""
        for key in (K1, None, K1):
            request.headers.pop("X-API-Key", None)
            if key is not None:
                request.headers["X-API-Key"] = key
            yield request


@SAMPLERS
def test_a_key_after_a_keyless_answer_is_not_redirected(
    sampler: Sampler, otel: Instrumented, server: Server
) -> None:
    """The redirect was followed by a hop without a key: what comes after it follows no redirect."""
    otel.start(sampler)
    statuses = iter([302, 401, 200])

    class Changing(dict[str, tuple[int, dict[str, str]]]):
        def get(self, *_: object) -> tuple[int, dict[str, str]]:
            return next(statuses), {}

    server.routes = Changing()
    with httpx.Client(auth=Steps(), follow_redirects=False, timeout=60) as client:
        assert client.get(f"{server.url}/p").status_code == 200
    assert [(use["status"], use.get("findings")) for use in otel.uses(2)] == [
        (302, None),
        (200, None),
    ]


@SAMPLERS
def test_a_key_that_joins_after_a_redirect_is_redirected_and_knows_where_from(
    sampler: Sampler, otel: Instrumented, server: Server, other_server: Server
) -> None:
    """The first hop carried no key; the second, on another host, does."""
    otel.start(sampler)
    server.routes["/a"] = (302, {"Location": f"{other_server.url}/b?api_key={K1}"})
    assert requests.get(f"{server.url}/a", timeout=60).status_code == 200
    (use,) = otel.uses(1)
    assert (use["host"], use["findings"]) == (
        "localhost",
        ["wrong_host", "key_in_url", "redirected"],
    )
    assert use["attributes"]["keytrail.host_expected"] == "127.0.0.1"


def test_a_token_that_is_fetched_elsewhere_is_no_wrong_host(
    otel: Instrumented, server: Server, other_server: Server
) -> None:
    """A call that gets its token from another host sends each key where it belongs."""
    otel.start()

    class Fetching(httpx.Auth):
        def auth_flow(
            self, request: httpx.Request
        ) -> Generator[httpx.Request, httpx.Response, None]:
            request.headers["X-API-Key"] = K1
            yield request
            yield httpx.Request("GET", f"{other_server.url}/token", headers={"X-API-Key": K2})
            yield request

    with httpx.Client(auth=Fetching(), timeout=60) as client:
        client.get(f"{server.url}/p")
    assert [(use["key"], use["host"], use.get("findings")) for use in otel.uses(3)] == [
        (F1, "127.0.0.1", None),
        (F2, "localhost", None),
        (F1, "127.0.0.1", None),
    ]


@SAMPLERS
def test_authentication_that_comes_after_the_span_is_seen(
    sampler: Sampler, otel: Instrumented, server: Server
) -> None:
    """Aiohttp's ``auth`` and urllib's handlers: both add their key when the span has begun."""
    otel.start(sampler)

    async def call() -> int:
        auth = aiohttp.BasicAuth("name", K1)
        url = f"{server.url}/aiohttp"
        async with aiohttp.ClientSession() as session, session.get(url, auth=auth) as answer:
            return answer.status

    assert asyncio.run(call()) == 200
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(None, server.url, "name", K1, is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    assert opener.open(f"{server.url}/urllib", timeout=60).status == 200
    assert [(u["path"], u["key"], u["scheme"], u["field"]) for u in otel.uses(2)] == [
        ("/aiohttp", F1, "basic", "authorization"),
        ("/urllib", F1, "basic", "authorization"),
    ]


def test_a_cookie_of_a_session_is_seen_where_it_is_named(
    otel: Instrumented, server: Server
) -> None:
    """Aiohttp adds cookies late, too."""
    otel.start(cookies=("key",))

    async def call() -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookies={"key": K1}, cookie_jar=jar) as session:
            await session.get(f"{server.url}/p")

    asyncio.run(call())
    (use,) = otel.uses(1)
    assert (use["key"], use["location"], use["field"]) == (F1, "cookie", "key")
