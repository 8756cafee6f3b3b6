"""The application answers byte for byte as without keytrail, whatever it is sent."""

from __future__ import annotations

import base64
import socket
from pathlib import Path

import pytest

from support.cases import F_ARRAY, F_EMPTY, K1, K2
from support.journals import await_uses
from support.launch import service

REQUESTS: dict[str, tuple[bytes, bytes]] = {
    "every byte in a key": (
        b"/echo",
        b"X-API-Key: " + bytes(b for b in range(256) if b not in b"\r\n\0"),
    ),
    "empty key": (b"/echo", b"X-API-Key: "),
    "blank key": (b"/echo", b"X-API-Key: \t  "),
    "header of 60 KiB": (b"/echo", b"X-API-Key: " + b"k" * 60_000),
    "repeated headers": (b"/echo", b"X-API-Key: %s\r\nX-API-Key: %s" % (K1.encode(), K2.encode())),
    "invalid UTF-8": (b"/echo", b"Authorization: Bearer \xff\xfe\xc3\x28abcdefgh"),
    "non-ASCII": (b"/echo", "X-API-Key: schlüssel-ключ".encode()),
    "Bearer without value": (b"/echo", b"Authorization: Bearer"),
    "Bearer with blanks": (b"/echo", b"Authorization: Bearer    "),
    "broken base64": (b"/echo", b"Authorization: Basic !!!not=base64"),
    "Basic without colon": (b"/echo", b"Authorization: Basic " + base64.b64encode(b"nocolon")),
    "several keys": (
        b"/echo?api_key=" + K2.encode(),
        b"Authorization: Bearer %s\r\nX-API-Key: third-key-0123456789" % K1.encode(),
    ),
    "JSON array": (b"/echo", b'X-API-Key: ["K1"]'),
    "broken percent": (b"/echo?api_key=%zz%4&x=%ff", b"Accept: */*"),
    "no key": (b"/echo?page=2", b"Accept: */*"),
    "ten thousand proxies": (b"/echo", b"X-Forwarded-For: " + b"1.2.3.4," * 7_000),
}


def _answer(port: int, path: bytes, headers: bytes) -> bytes:
    """Return the raw answer without its date."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(
            b"GET %s HTTP/1.1\r\nHost: h\r\n%s\r\nConnection: close\r\n\r\n" % (path, headers)
        )
        answer = b""
        while block := wire.recv(65536):
            answer += block
    return b"\r\n".join(
        line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:")
    )


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_answers_are_equal_and_rows_say_what_can_be_said(framework: str, tmp_path: Path) -> None:
    """Hostile requests change no byte of any answer and never yield a false fingerprint."""
    answers: list[dict[str, bytes]] = []
    for launcher in ("no instrumentation", "opentelemetry-instrument"):
        with service(
            framework,
            tmp_path,
            launcher=launcher,
            KEYTRAIL_TRUSTED_PROXIES="127.0.0.0/8",
        ) as running:
            answers.append(
                {name: _answer(running.port, *request) for name, request in REQUESTS.items()}
            )
            if launcher == "opentelemetry-instrument":
                status = _answer(running.port, b"/ok/end", b"X-API-Key: " + K1.encode())
                assert b" 200 " in status
                await_uses(tmp_path, 2)
    without, with_keytrail = answers
    assert with_keytrail == without
    uses = await_uses(tmp_path, 2)
    assert not {use["key"] for use in uses} & {F_EMPTY, F_ARRAY}
    assert all(len(use["key"]) == 64 for use in uses)
    several = [use for use in uses if use["attributes"].get("keytrail.key.count") == 3]
    assert len(several) == 1
    assert len(several[0]["attributes"]["keytrail.key.other_hashes"]) == 2
