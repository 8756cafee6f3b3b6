"""What the URL of a call says of its key, for every client: its host, its path, its userinfo."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from apps.clients import CLIENTS, OVER_HTTP2, TRACED
from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import F1, F2, K1, K2, PEPPER
from support.instrumented import Instrumented
from support.servers import Server

EVERY = {**CLIENTS, **OVER_HTTP2}
KEY = {"X-API-Key": K1}
BOT = "123456789:AAF" + "a1B2c3D4" * 4
BOTS = Peppers(Secret(PEPPER)).fingerprint(BOT.encode())
SENDS_USERINFO = [name for name in EVERY if name.startswith(("requests", "httpx", "aiohttp"))]
"""The others leave it out of the request."""
ALL = pytest.mark.parametrize("client", EVERY)
FOLLOWING = pytest.mark.parametrize("client", [*TRACED, *OVER_HTTP2])


@pytest.fixture(autouse=True)
def _every_name_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every host name be this machine's, as if it were in the hosts file."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name[0].isalpha() else name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _told(use: dict[str, Any]) -> tuple[Any, ...]:
    return use["key"], use["host"], use["path"], use["location"], use.get("findings")


@ALL
def test_cleartext_to_another_host_is_found(
    client: str, otel: Instrumented, server: Server
) -> None:
    """The name says that the call leaves this machine; one below ``localhost`` does not."""
    otel.start(cleartext_to=(".internal.example",))
    for host in ("partner.example", "here.localhost", "Shop.Internal.example"):
        assert EVERY[client](f"http://{host}:{server.port}/p", KEY) == 200
    assert [_told(use) for use in otel.uses(3)] == [
        (F1, "partner.example", "/p", "header", ["cleartext_http"]),
        (F1, "here.localhost", "/p", "header", None),
        (F1, "shop.internal.example", "/p", "header", None),
    ]


@FOLLOWING
def test_a_redirect_that_leaves_this_machine_is_a_downgrade(
    client: str, otel: Instrumented, server: Server
) -> None:
    """The hop that goes out unencrypted says so, beside what else is wrong with it."""
    otel.start()
    server.routes["/a"] = (302, {"Location": f"http://partner.example:{server.port}/b"})
    assert EVERY[client](f"{server.url}/a", KEY) == 200
    assert [_told(use) for use in otel.uses(2)] == [
        (F1, "127.0.0.1", "/a", "header", None),
        (F1, "partner.example", "/b", "header", ["wrong_host", "cleartext_http", "redirected"]),
    ]


@pytest.mark.parametrize("host", ["api.telegram.org", "API.Telegram.org", "api.telegram.org."])
@ALL
def test_a_key_in_a_path_is_found_however_its_host_is_spelled(
    client: str, host: str, otel: Instrumented, server: Server
) -> None:
    """The row and the span say where it stood, and not what."""
    otel.start()
    assert EVERY[client](f"http://{host}:{server.port}/bot{BOT}/getMe", {}) == 200
    (use,) = otel.uses(1)
    assert (use["key"], use["key_id"], use["provider"]) == (BOTS, "123456789", "telegram_bot")
    assert (use["path"], use["location"]) == ("/botREDACTED/getMe", "path")
    assert use["findings"] == ["cleartext_http", "key_in_url"]
    assert server.requests[0][0].rstrip("?") == f"/bot{BOT}/getMe"
    assert BOT[10:] not in str((use, otel.exporter.spans))


@pytest.mark.parametrize("client", ["requests", "httpx_sync"])
def test_what_is_sent_to_a_proxy_is_read_by_its_url(
    client: str, otel: Instrumented, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host and key are those of the URL, wherever the key stands; without one it is no use."""
    otel.start()
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    at = "http://partner.example"
    for url, headers in (
        (f"{at}/header", KEY),
        (f"{at}/query?api_key={K2}", {}),
        (f"http://API.Telegram.org/bot{BOT}/getMe", {}),
        (f"{at}/none?page=2", {}),
    ):
        assert EVERY[client](url, headers) == 200
    assert [_told(use)[:4] for use in otel.uses(3)] == [
        (F1, "partner.example", "/header", "header"),
        (F2, "partner.example", "/query", "query"),
        (BOTS, "api.telegram.org", "/botREDACTED/getMe", "path"),
    ]
    assert len(server.requests) == 4


@pytest.mark.parametrize("client", SENDS_USERINFO)
def test_userinfo_is_told_apart_from_a_header(
    client: str, otel: Instrumented, server: Server
) -> None:
    """The client makes the same header of both; a user alone is the key."""
    otel.start()
    at = f"127.0.0.1:{server.port}"
    for userinfo in (f"user:{K1}", f"{K1}:", f"user:{K1.replace('t', '%74')}"):
        assert EVERY[client](f"http://{userinfo}@{at}/userinfo", {}) == 200
    basic = server.requests[0][1]
    authorization = next(value for name, value in basic if name.lower() == "authorization")
    assert EVERY[client](f"http://{at}/header", {"Authorization": authorization}) == 200
    assert EVERY[client](f"http://{at}/mail?to=me@here.example", {"X-API-Key": K2}) == 200
    assert [_told(use) for use in otel.uses(5)] == [
        *[(F1, "127.0.0.1", "/userinfo", "userinfo", ["userinfo"])] * 3,
        (F1, "127.0.0.1", "/header", "header", None),
        (F2, "127.0.0.1", "/mail", "header", None),
    ]
    assert not any("keytrail.key.count" in use["attributes"] for use in otel.uses())
    assert not any(K1[8:] in str(told) for told in (otel.uses(), otel.exporter.spans))
    assert authorization.partition(" ")[2] not in str((otel.uses(), otel.exporter.spans))


@pytest.mark.parametrize("client", sorted({*EVERY} - {*SENDS_USERINFO}))
def test_userinfo_that_is_not_sent_is_no_use(
    client: str, otel: Instrumented, server: Server
) -> None:
    """urllib3 leaves it out, and the standard library takes it for a host."""
    otel.start()
    EVERY[client](f"http://user:{K1}@127.0.0.1:{server.port}/p", {})
    assert otel.uses() == []
    assert K1 not in str(otel.exporter.spans)


@pytest.mark.parametrize("client", ["requests", "httpx_sync", "aiohttp_client"])
def test_userinfo_does_not_outlast_its_call(
    client: str, otel: Instrumented, server: Server
) -> None:
    """A redirect without it, and the next call, say what they carry themselves."""
    otel.start()
    server.routes["/a"] = (302, {"Location": f"http://localhost:{server.port}/b"})
    EVERY[client](f"http://user:{K1}@127.0.0.1:{server.port}/a", KEY)
    EVERY[client](f"http://127.0.0.1:{server.port}/c", {"X-API-Key": K2})
    assert [(use["path"], use["location"]) for use in otel.uses(3)] == [
        ("/a", "userinfo"),
        ("/b", "header"),
        ("/c", "header"),
    ]
