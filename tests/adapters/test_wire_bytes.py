"""The fingerprint is that of the bytes on the wire, whatever a library makes of them."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from adapters.running_servers import Running
from apps.clients import CLIENTS, OVER_HTTP2
from apps.servers import SERVERS
from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import PEPPER
from support.instrumented import Instrumented
from support.servers import Server

HTTP = [name for name in SERVERS if not name.startswith("grpc")]
EVERY = {**CLIENTS, **OVER_HTTP2}
PEPPERS = Peppers(Secret(PEPPER))
SENT = {
    "utf-8": (b"X-API-Key: k\xc3\xbcy-0123456789abc\r\n", b"", b"k\xc3\xbcy-0123456789abc"),
    "latin-1": (b"X-API-Key: k\xfcy-0123456789abc\r\n", b"", b"k\xfcy-0123456789abc"),
    "blanks": (b"x-aPi-kEy:\tkey-0123456789abc \t\r\n", b"", b"key-0123456789abc"),
    "scheme": (b"Authorization:  bEaReR   key-0123456789abc\r\n", b"", b"key-0123456789abc"),
    "plus": (b"", b"?api_key=a+b/c=d-0123456789", b"a+b/c=d-0123456789"),
    "percent": (b"", b"?api%5Fkey=a%2Bb%2fc%3Dd%20%FC-0123", b"a+b/c=d \xfc-0123"),
    "percent twice": (b"", b"?b=1;c&api_key=a%252Bb-0123456789xyz", b"a%2Bb-0123456789xyz"),
}


@pytest.mark.parametrize("server", HTTP)
def test_what_a_server_is_sent_is_what_is_hashed(server: str, servers: Running) -> None:
    """Header and query, in every spelling that servers pass on."""
    told, expected = {}, {}
    for number, (name, (header, query, key)) in enumerate(SENT.items()):
        agent = f"wire-{server}-{number}"
        target = f"/{server}/status/200".encode() + query
        head = b"GET " + target + b" HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n"
        head += b"User-Agent: " + agent.encode() + b"\r\n" + header + b"\r\n"
        with socket.create_connection(("127.0.0.1", servers.ports[server]), timeout=60) as wire:
            wire.sendall(head)
            assert b" 200 " in wire.recv(64)
        told[name] = servers.use(user_agent=agent)["key"]
        expected[name] = PEPPERS.fingerprint(key)
    assert told == expected


def _sends(client: str) -> list[tuple[dict[str, Any], str]]:
    """Return headers and queries that ``client`` takes."""
    sends: list[tuple[dict[str, Any], str]] = [({"X-API-Key": "key-0123456789abc"}, "")]
    if not client.startswith("httpx"):  # takes ASCII text only
        sends.append(({"X-API-Key": "k\xfcy-0123456789abc"}, ""))
    if client == "aiohttp_client":  # takes text only
        sends.append(({"X-API-Key": "ключ-0123456789abc"}, ""))
    else:
        sends.append(({"X-API-Key": "k\xfcy-0123456789abc".encode()}, ""))
        sends.append(({b"X-API-Key": "key-0123456789abc"}, ""))  # type: ignore[dict-item]
    if client not in ("urllib_open", "http_client"):  # encode nothing themselves
        sends.append(({}, "?api_key=k\xfcy-0123456789abc"))
    return [*sends, ({}, "?api_key=a+b%2Bc%20d-0123456789")]


@pytest.mark.parametrize("client", EVERY)
def test_what_a_client_sends_is_what_is_hashed(
    client: str, otel: Instrumented, server: Server
) -> None:
    """Clients encode differently: text as Latin-1 or UTF-8, bytes as they are."""
    otel.start()
    sends = _sends(client)
    for headers, query in sends:
        assert EVERY[client](f"{server.url}/p{query}", headers) == 200
    uses = otel.uses(len(sends))
    assert [use["key"] for use in uses] == [
        PEPPERS.fingerprint(_received(target, headers)) for target, headers in server.requests
    ]


def _received(target: str, headers: list[tuple[str, str]]) -> bytes:
    """Return the key in a request that a server got."""
    for name, value in headers:
        if name.lower() == "x-api-key":
            return value.encode("latin-1")
    return unquote_to_bytes(target.partition("api_key=")[2].encode("latin-1"))
