"""What is on disk when a process ends, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from support.cases import K1, PEPPER
from support.journals import last_uses_in, lines_in, uses_in
from support.launch import service
from support.services import clean_environ, stop
from support.waiting import WAIT

SCRIPT = """
import sys, time, httpx, signal, os
for _ in range(20):
    try:
        httpx.get("http://127.0.0.1:9/x", headers={"X-API-Key": "%s"})
    except httpx.ConnectError:
        pass
print("done", flush=True)
if sys.argv[1] == "wait":
    WAIT
"""


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_sigterm_right_after_the_last_request_loses_nothing(framework: str, tmp_path: Path) -> None:
    """All uses are on disk, and the segment is closed, when SIGTERM ends a server."""
    with service(framework, tmp_path, KEYTRAIL_JOURNAL_INTERVAL="60") as running:
        with requests.Session() as session:
            for _ in range(50):
                session.get(f"{running.url}/ok/1", headers={"X-API-Key": K1}, timeout=60)
        stop(running.process)
        assert running.process.returncode == -signal.SIGTERM
    assert [use["outcome"] for use in last_uses_in(tmp_path)] == ["success"] * 50
    assert [line["record"] for line in lines_in(tmp_path) if line.get("record")][-1] == "stop"


CHILDREN = """
import multiprocessing, sys, httpx, keytrail
keytrail.instrument()
def call(number):
    for _ in range(number):
        try:
            httpx.get("http://127.0.0.1:9/x", headers={"X-API-Key": "%s"})
        except httpx.ConnectError:
            pass
if __name__ == "__main__":
    call(5)
    child = multiprocessing.get_context(sys.argv[1]).Process(target=call, args=(7,))
    child.start()
    child.join()
    call(3)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_loses_nothing(method: str, tmp_path: Path) -> None:
    """A child, which runs no ``atexit``, writes its uses to a segment of its own, each once."""
    script = tmp_path / "children.py"
    script.write_text(CHILDREN % K1)
    home = tmp_path / "home"
    subprocess.run(
        [sys.executable, str(script), method],
        env=clean_environ(
            KEYTRAIL_HOME=str(home),
            KEYTRAIL_PEPPER=PEPPER,
            KEYTRAIL_JOURNAL_INTERVAL="60",
        ),
        check=True,
        timeout=120,
    )
    uses = uses_in(home)
    assert (len(uses), len({use["span_id"] for use in uses})) == (15, 15)
    assert len(list(home.glob("live/*/*.ndjson"))) == 2


@pytest.mark.parametrize("how", ["exit", "wait"])
def test_a_script_loses_nothing_at_exit_or_sigterm(how: str, tmp_path: Path) -> None:
    """A plain script that ends, or is ended by SIGTERM, has its uses on disk."""
    script = (SCRIPT % K1).replace("WAIT", WAIT)
    process = subprocess.Popen(
        ["opentelemetry-instrument", sys.executable, "-c", script, how],
        env=clean_environ(
            OTEL_TRACES_EXPORTER="none",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            KEYTRAIL_HOME=str(tmp_path),
            KEYTRAIL_PEPPER=PEPPER,
            KEYTRAIL_JOURNAL_INTERVAL="60",
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    if how == "wait":
        stop(process)
        assert process.returncode == -signal.SIGTERM
    else:
        assert process.wait(60) == 0
    uses = uses_in(tmp_path)
    assert [(use["outcome"], use["error"], use["path"]) for use in uses] == [
        ("error", "ConnectError", "/x")
    ] * 20


LATE = """
import atexit, threading, httpx, keytrail
keytrail.instrument()
def call(path):
    try:
        httpx.get("http://127.0.0.1:9" + path, headers={"X-API-Key": "%s"})
    except httpx.ConnectError:
        pass
def call_late():
    threading.main_thread().join()
    call("/thread")
atexit.register(call, "/atexit")
if LATE_THREAD:
    threading.Thread(target=call_late).start()
"""


@pytest.mark.parametrize("by_thread", [True, False])
def test_a_first_use_after_the_main_thread_has_ended_is_told(
    by_thread: bool, tmp_path: Path
) -> None:
    """No thread can be started then, to find out whose process it is; the environment says so."""
    ended = subprocess.run(
        [sys.executable, "-c", (LATE % K1).replace("LATE_THREAD", str(by_thread))],
        env=clean_environ(
            KEYTRAIL_HOME=str(tmp_path), KEYTRAIL_PEPPER=PEPPER, OTEL_SERVICE_NAME="late"
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    told = [(use["path"], use["service"]) for use in uses_in(tmp_path)]
    assert told == [("/thread", "late")] * by_thread + [("/atexit", "late")]
