"""Processes that are frozen or killed without notice, and endpoints that never answer."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cases import K1, PEPPER
from support.journals import await_uses, lines_in, uses_in
from support.services import clean_environ, stop
from support.sink import Sink
from support.waiting import WAIT

SCRIPT = """
import os, sys, time
import httpx, keytrail
keytrail.instrument(journal_interval=60)

def call():
    try:
        httpx.get("http://127.0.0.1:9/refused", headers={"X-API-Key": "%s"})
    except httpx.HTTPError:
        pass

WHAT
"""
HANDLER = """
for _ in range(3):
    call()
begun = time.monotonic()
done = keytrail.flush(TIMEOUT)
print(done, time.monotonic() - begun < 50, flush=True)
time.sleep(120)
"""
FORK = """
call()
if os.fork() == 0:
    call()
    keytrail.flush()
    os._exit(0)
os.wait()
call()
"""


@contextmanager
def _silent() -> Iterator[str]:
    """An endpoint that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def _asked(endpoint: str) -> dict[str, str]:
    """Return the settings of who is patient with ``endpoint``, longer than a test would wait."""
    return {"KEYTRAIL_OTLP_ENDPOINT": endpoint, "KEYTRAIL_OTLP_TIMEOUT": "100"}


def _start(what: str, home: Path, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", (SCRIPT % K1).replace("WHAT", what)],
        env=clean_environ(KEYTRAIL_HOME=str(home), KEYTRAIL_PEPPER=PEPPER, **environ),
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_handler_that_flushes_has_delivered(sink: Sink, tmp_path: Path) -> None:
    """Killed right after ``keytrail.flush`` said yes, a process has lost nothing."""
    process = _start(HANDLER.replace("TIMEOUT", "50"), tmp_path, KEYTRAIL_OTLP_ENDPOINT=sink.url)
    assert _line(process) == "True True\n"
    stop(process, signal.SIGKILL)
    assert len(sink.audit_spans()) == 3


def test_without_an_endpoint_a_flush_is_to_disk(tmp_path: Path) -> None:
    """What is flushed is in the journal, which is all there is to do."""
    process = _start(HANDLER.replace("TIMEOUT", "50"), tmp_path)
    assert _line(process) == "True True\n"
    stop(process, signal.SIGKILL)
    assert len(uses_in(tmp_path)) == 3


def test_a_flush_keeps_its_deadline(tmp_path: Path) -> None:
    """With an endpoint that never answers it says no in time, and the uses wait on disk."""
    with _silent() as endpoint:
        process = _start(HANDLER.replace("TIMEOUT", "0.5"), tmp_path, **_asked(endpoint))
        assert _line(process) == "False True\n"
        await_uses(tmp_path, 3)  # half a second may be too short for a busy machine's disk
        stop(process, signal.SIGKILL)
    assert len(uses_in(tmp_path)) == 3


@pytest.mark.parametrize("end", ["exit", "sigterm"])
def test_no_process_waits_for_a_dead_endpoint(end: str, tmp_path: Path) -> None:
    """Neither exit nor SIGTERM takes longer than the shutdown timeout, and nothing is lost."""
    what = "call()\nprint('ready', flush=True)\n" + WAIT * (end == "sigterm")
    with _silent() as endpoint:
        process = _start(
            what,
            tmp_path,
            KEYTRAIL_SHUTDOWN_TIMEOUT="1",
            **_asked(endpoint),
        )
        assert _line(process) == "ready\n"
        begun = time.monotonic()
        if end == "sigterm":
            process.terminate()
        assert process.wait(80) == (-signal.SIGTERM if end == "sigterm" else 0)
        assert time.monotonic() - begun < 50, "a timeout of the exporter was waited for"
    assert len(uses_in(tmp_path)) == 1
    assert [line["record"] for line in lines_in(tmp_path) if line.get("record")][-1] == "stop"


def test_a_child_that_ends_itself_flushes_first(tmp_path: Path) -> None:
    """A forked child that calls ``os._exit`` loses nothing where it flushes before."""
    process = _start(FORK, tmp_path)
    assert process.wait(60) == 0
    uses = uses_in(tmp_path)
    assert (len(uses), len({use["span_id"] for use in uses})) == (3, 3)
    assert len(list(tmp_path.glob("live/*/*.ndjson"))) == 2
