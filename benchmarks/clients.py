"""Clients that call a server in another process."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.request import OpenerDirector, Request, build_opener

import aiohttp
import botocore.session
import httpx
import httpx2
import requests
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.library import Library, instrumented, instrumenting
from benchmarks.traffic import KEYS, PATH, QUERY, headers, keys


def requests_calling(provider: TracerProvider, api: str) -> Library:
    """Return a requests session, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    send = instrumented(RequestsInstrumentor(), provider, requests.Session, "send")
    session = type("Session", (requests.Session,), {"send": send})()

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            session.get(url, headers=headers(key), timeout=10)

    return Library(call)


def httpx_calling(provider: TracerProvider, api: str) -> Library:
    """Return an httpx client, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    client = httpx.Client()
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            client.get(url, headers=headers(key))

    return Library(call)


def httpx_over_own_transport(provider: TracerProvider, api: str) -> Library:
    """Return an httpx client whose transport, the application's own, answers without a wire."""
    url = f"{api}{PATH}?{QUERY}"
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            client.get(url, headers=headers(key))

    return Library(call)


def httpx2_calling(provider: TracerProvider, api: str) -> Library:
    """Return an httpx2 client, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    client = httpx2.Client()
    HTTPX2ClientInstrumentor.instrument_client(client, tracer_provider=provider)  # type: ignore[arg-type]

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            client.get(url, headers=headers(key))

    return Library(call)


def urllib_calling(provider: TracerProvider, api: str) -> Library:
    """Return an opener of urllib, which connects for every call."""
    url = f"{api}{PATH}?{QUERY}"
    opens = instrumented(URLLibInstrumentor(), provider, OpenerDirector, "open")
    opener = build_opener()
    opener.__class__ = type("Opener", (OpenerDirector,), {"open": opens})

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            opener.open(Request(url, headers=headers(key)), timeout=10).read()

    return Library(call)


def aiohttp_calling(provider: TracerProvider, api: str) -> Library:
    """Return an aiohttp session, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    loop = asyncio.new_event_loop()

    async def start() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(trace_configs=[create_trace_config(tracer_provider=provider)])

    session = loop.run_until_complete(start())

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            async with session.get(url, headers=headers(key)) as answer:
                await answer.read()

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


def httpx_async_calling(provider: TracerProvider, api: str) -> Library:
    """Return an asynchronous httpx client, over one connection that is kept alive."""
    url = f"{api}{PATH}?{QUERY}"
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient()
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)

    async def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            await client.get(url, headers=headers(key))

    return Library(lambda calls, keyed: loop.run_until_complete(call(calls, keyed)))


def urllib3_calling(provider: TracerProvider, api: str) -> Library:
    """Return a pool of urllib3, over one connection that is kept alive."""
    pool = _pool(provider, api)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            pool.urlopen("GET", f"{PATH}?{QUERY}", headers=headers(key))

    return Library(call)


def presigned_calling(provider: TracerProvider, api: str) -> Library:
    """Return a pool of urllib3 that asks for what botocore signed before, or without a key."""
    storage = _aws("s3", api, "s3v4")
    targets: dict[str | None, str] = {None: f"{PATH}?{QUERY}"}
    for key in KEYS:
        storage._request_signer._credentials = _SigningKey(key)
        of = {"Bucket": "items", "Key": "17"}
        targets[key] = storage.generate_presigned_url("get_object", Params=of).removeprefix(api)
    pool = _pool(provider, api)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            pool.urlopen("GET", targets[key], headers=headers(None))

    return Library(call)


def _pool(provider: TracerProvider, api: str) -> urllib3.HTTPConnectionPool:
    pool = urllib3.connection_from_url(api)
    sends = instrumented(URLLib3Instrumentor(), provider, urllib3.HTTPConnectionPool, "urlopen")
    pool.__class__ = type("Pool", (urllib3.HTTPConnectionPool,), {"urlopen": sends})
    return pool


def botocore_calling(provider: TracerProvider, api: str) -> Library:
    """Return a client of Amazon SQS, which signs with a key or does not."""
    signing, unsigned = _aws("sqs", api, None), _aws("sqs", api, UNSIGNED)

    def call(calls: int, keyed: bool) -> None:
        for key in keys(calls, keyed=keyed):
            if key is not None:
                signing._request_signer._credentials = _SigningKey(key)
            (unsigned if key is None else signing).list_queues()

    instrumentor = BotocoreInstrumentor()  # type: ignore[no-untyped-call]
    return Library(call, in_force=partial(instrumenting, instrumentor, provider))


def _aws(service: str, api: str, signature: Any) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name="eu-west-1",
        endpoint_url=api,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        config=Config(signature_version=signature, retries={"total_max_attempts": 1}),
    )


class _SigningKey:
    """Credentials with an access key id of their own."""

    method = account_id = None

    def __init__(self, key: str) -> None:
        self._frozen = ReadOnlyCredentials(f"AKIA{key[-16:].upper()}", "secret", None)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._frozen
