"""Every common server, ended by SIGTERM at once after its last answer."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import getsource
from pathlib import Path

import pytest
import requests
from opentelemetry.instrumentation import auto_instrumentation
from websockets.sync.client import connect

from support.cases import K1
from support.journals import await_uses, last_uses_in
from support.launch import service
from support.services import stop

GEVENT = ("--worker-class=gevent", "--graceful-timeout=5")  # it takes 30 s of 30 now and then
SERVERS = {
    "gunicorn sync": ("gunicorn", (), 0),
    "gunicorn sync, preloaded": ("gunicorn", ("--preload",), 0),
    "gunicorn gthread": ("gunicorn", ("--worker-class=gthread", "--threads=4"), 0),
    "gunicorn gthread, preloaded": (
        *("gunicorn", ("--worker-class=gthread", "--threads=4", "--preload"), 0),
    ),
    "gunicorn gevent": ("gunicorn", GEVENT, 0),
    "gunicorn gevent, preloaded": ("gunicorn", (*GEVENT, "--preload"), 0),
    "gunicorn with uvicorn": ("gunicorn-uvicorn", (), 0),
    "gunicorn with uvicorn, preloaded": ("gunicorn-uvicorn", ("--preload",), 0),
    "uvicorn": ("fastapi", (), -15),
    "uvicorn with workers": ("fastapi", ("--workers=2", "--timeout-worker-healthcheck=60"), 0),
    "hypercorn": ("hypercorn", (), 0),
    "hypercorn with workers": ("hypercorn", ("--workers=2",), 0),
}
"""Server → how it is started, and the exit status that it has without keytrail."""
SPAWN = {"uvicorn with workers", "hypercorn", "hypercorn with workers"}
"""Servers whose workers are new processes: older auto-instrumentation does not reach these."""
REACHES_CHILDREN = "auto_instrumentation_path_was_present" in getsource(auto_instrumentation)
NUMBER = 60


@pytest.mark.parametrize("server", SERVERS)
def test_sigterm_at_once_after_the_last_request_loses_nothing(server: str, tmp_path: Path) -> None:
    """Each use is on disk, whichever worker had it; the exit status is the server's own."""
    if server in SPAWN and not REACHES_CHILDREN:
        pytest.skip("this auto-instrumentation does not reach processes that a server spawns")
    framework, arguments, status = SERVERS[server]
    with service(
        framework, tmp_path, arguments=arguments, KEYTRAIL_JOURNAL_INTERVAL="60"
    ) as running:

        def call(_: int) -> int:
            answer = requests.get(f"{running.url}/ok/1", headers={"X-API-Key": K1}, timeout=60)
            return answer.status_code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(call, range(NUMBER))) == {200}
        stop(running.process)
        assert running.process.returncode == status
    assert [use["outcome"] for use in last_uses_in(tmp_path)] == ["success"] * NUMBER


def _begin_slow_request(port: int) -> contextlib.AbstractContextManager[object]:
    wire = socket.create_connection(("127.0.0.1", port), timeout=60)
    wire.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\nX-API-Key: %s\r\n\r\n" % K1.encode())
    return wire


def _open_socket(port: int) -> contextlib.AbstractContextManager[object]:
    return connect(f"ws://127.0.0.1:{port}/socket", additional_headers={"X-API-Key": K1})


@pytest.mark.parametrize(
    ("begin", "path"), [(_begin_slow_request, "/slow"), (_open_socket, "/socket")]
)
def test_what_runs_at_sigterm_survives_the_kill_that_follows(
    begin: Callable[[int], contextlib.AbstractContextManager[object]], path: str, tmp_path: Path
) -> None:
    """A server that waits for a request, until whoever stops it loses patience, has told of it."""
    with service("fastapi", tmp_path) as running, begin(running.port):
        requests.get(f"{running.url}/ok/1", headers={"X-API-Key": K1}, timeout=60)
        await_uses(tmp_path, 1)
        running.process.terminate()
        uses = await_uses(tmp_path, 2)
        running.process.kill()
        running.process.wait()
    told = sorted((use["path"], use["outcome"]) for use in uses)
    assert told == [("/ok/1", "success"), (path, "unknown")]
