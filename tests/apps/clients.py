"""Every client that keytrail sees the requests of, each as its users would call it.

``python clients.py URL KEY HTTP2_URL`` calls ``URL/<client>`` with each, and ``HTTP2_URL/<client>``
with those that speak HTTP/2; no word of keytrail is in here.
"""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import requests as requests_library
import urllib3 as urllib3_library

Headers = dict[str, str]
Client = Callable[[str, Headers], int]


def requests(url: str, headers: Headers) -> int:
    """Call with requests."""
    return requests_library.get(url, headers=headers, timeout=60).status_code


def urllib3(url: str, headers: Headers) -> int:
    """Call with urllib3."""
    with urllib3_library.PoolManager() as pool:
        return pool.request("GET", url, headers=headers, retries=3).status


def urllib_open(url: str, headers: Headers) -> int:
    """Call with urllib."""
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.build_opener().open(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def httpx_sync(url: str, headers: Headers, library: Any = httpx, **options: Any) -> int:
    """Call with httpx."""
    with library.Client(follow_redirects=True, timeout=60, **options) as client:
        return int(client.get(url, headers=headers).status_code)


def httpx_async(url: str, headers: Headers, library: Any = httpx, **options: Any) -> int:
    """Call with httpx in a task."""

    async def call() -> int:
        async with library.AsyncClient(follow_redirects=True, timeout=60, **options) as client:
            return int((await client.get(url, headers=headers)).status_code)

    return asyncio.run(call())


def httpx2_sync(url: str, headers: Headers) -> int:
    """Call with httpx2."""
    return httpx_sync(url, headers, httpx2)


def httpx2_async(url: str, headers: Headers) -> int:
    """Call with httpx2 in a task."""
    return httpx_async(url, headers, httpx2)


def httpx_http2_sync(url: str, headers: Headers) -> int:
    """Call with httpx over HTTP/2."""
    return httpx_sync(url, headers, http1=False, http2=True)


def httpx_http2_async(url: str, headers: Headers) -> int:
    """Call with httpx over HTTP/2 in a task."""
    return httpx_async(url, headers, http1=False, http2=True)


def httpx2_http2_sync(url: str, headers: Headers) -> int:
    """Call with httpx2 over HTTP/2."""
    return httpx_sync(url, headers, httpx2, http1=False, http2=True)


def aiohttp_client(url: str, headers: Headers) -> int:
    """Call with aiohttp."""

    async def call() -> int:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status

    return asyncio.run(call())


def http_client(url: str, headers: Headers) -> int:
    """Call with the standard library's connection itself."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


TRACED: dict[str, Client] = {
    function.__name__: function
    for function in (
        requests,
        urllib3,
        urllib_open,
        httpx_sync,
        httpx_async,
        httpx2_sync,
        httpx2_async,
        aiohttp_client,
    )
}
"""Those that follow redirects, and that newer releases of OpenTelemetry instrument."""
CLIENTS = {**TRACED, "http_client": http_client}
OVER_HTTP2: dict[str, Client] = {
    function.__name__: function
    for function in (httpx_http2_sync, httpx_http2_async, httpx2_http2_sync)
}
"""Those that newer releases instrument, too, and that only a server of HTTP/2 understands."""


if __name__ == "__main__":
    for name, client in CLIENTS.items():
        client(f"{sys.argv[1]}/{name}", {"X-API-Key": sys.argv[2]})
    for name, client in OVER_HTTP2.items():
        client(f"{sys.argv[3]}/{name}", {"X-API-Key": sys.argv[2]})
