"""The address policy on what real services export and journal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from support.cases import K1
from support.journals import await_uses
from support.launch import service
from support.sink import Sink, SunkSpan

CLIENT = "198.51.100.77"
SERVER = 2


def _await_server_spans(sink: Sink, number: int) -> list[SunkSpan]:
    deadline = time.monotonic() + 60
    while len(found := [span for span in sink.spans if span.kind == SERVER]) < number:
        assert time.monotonic() < deadline, "the ordinary pipeline has not exported everything"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("policy", ["truncated", "none"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_no_more_of_a_client_than_the_policy_allows(
    framework: str, policy: str, sink: Sink, tmp_path: Path
) -> None:
    """Keyed or not: the address is nowhere, in either convention, in no captured header."""
    with service(
        framework,
        tmp_path,
        endpoint=sink.url,
        KEYTRAIL_CLIENT_ADDRESS=policy,
        KEYTRAIL_TRUSTED_PROXIES="127.0.0.0/8",
        OTEL_SEMCONV_STABILITY_OPT_IN="http/dup",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=".*",
    ) as running:
        forwarded = {"X-Forwarded-For": CLIENT, "Forwarded": f'for="{CLIENT}:4711"'}
        for headers in ({"X-API-Key": K1}, {}):
            requests.get(f"{running.url}/ok/1", headers={**headers, **forwarded}, timeout=60)
        (use,) = await_uses(tmp_path, 1)
        spans = _await_server_spans(sink, 2)
    assert use.get("client") == {"truncated": "198.51.100.0", "none": None}[policy]
    assert CLIENT not in str(use)
    assert all(CLIENT.encode() not in body for body in sink.bodies)
    told = {
        name: span.attributes[name]
        for span in spans
        for name in ("client.address", "net.peer.ip", "network.peer.address")
        if name in span.attributes
    }
    assert set(told.values()) <= ({"127.0.0.0", "198.51.100.0"} if policy == "truncated" else set())
    assert bool(told) is (policy == "truncated")
