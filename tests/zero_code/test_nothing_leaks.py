"""No raw key in anything that a service exports or journals."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from support.cases import K1, K2
from support.journals import await_uses
from support.launch import service
from support.services import stop
from support.sink import Sink


def _forms(key: str) -> set[bytes]:
    """Return what a byte search must not find: spellings of the key, and slices of its secret."""
    secret = key.removeprefix("kt_test_")
    slices = {secret[start : start + 8] for start in range(len(secret) - 7)}
    raw = key.encode()
    encoded = {
        base64.b64encode(b"x" * shift + raw)[(4 * shift + 2) // 3 + 1 : -4] for shift in range(3)
    }
    return {raw, quote(key).encode(), raw.hex().encode(), *encoded, *(s.encode() for s in slices)}


def _await_text(sink: Sink, *texts: bytes) -> None:
    deadline = time.monotonic() + 60
    while not all(any(text in body for body in sink.bodies) for text in texts):
        assert time.monotonic() < deadline, "the ordinary pipeline has not exported everything"
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["", "http/dup"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_no_key_in_traces_logs_or_journal(
    framework: str, mode: str, sink: Sink, tmp_path: Path
) -> None:
    """Keys in URLs, headers, paths, captured headers, refused calls and logs are all redacted."""
    with service(
        framework,
        tmp_path,
        endpoint=sink.url,
        OTEL_SEMCONV_STABILITY_OPT_IN=mode,
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED="true",
        OTEL_BLRP_SCHEDULE_DELAY="100",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=".*",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST=".*",
    ) as running:
        headers = {"X-API-Key": K1, "Cookie": f"other={K1}"}
        for path, params in {
            "/requests": {"url": f"{running.url}/ok/1?api_key={K2}#access_token={K2}"},
            "/httpx": {"url": f"http://127.0.0.1:9/refused?token={K2}"},
            f"/ok/{K1}": {"api_key": K1},
            f"/nowhere/{K1}": {},
            "/boom": {"q": K1},
        }.items():
            requests.get(running.url + path, params=params, headers=headers, timeout=60)
        await_uses(tmp_path, 7)
        _await_text(
            sink, b"ConnectError", b"it went wrong", b"refused?token=REDACTED", b"asked for http"
        )
        printed = stop(running.process)
    journal = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    ours = "\n".join(line for line in printed.splitlines() if "keytrail" in line).encode()
    for exported in (*sink.bodies, journal, ours):
        for key in (K1, K2):
            found = [form for form in _forms(key) if form in exported]
            assert not found, exported[max(0, exported.find(found[0]) - 200) :][:400]
