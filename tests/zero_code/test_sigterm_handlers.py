"""SIGTERM where the application, or somebody else, handles it in a way of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.cases import K1, PEPPER
from support.journals import uses_in
from support.services import clean_environ, stop
from support.waiting import WAIT

SCRIPT = """
import asyncio, os, signal, socket, sys, threading, time
import httpx, keytrail

def leave(number, frame):
    sys.exit(3)

def on_loop():
    async def serve():
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        print("ready", flush=True)
        await done.wait()
    asyncio.run(serve())
    sys.exit(5)

def call(url):
    try:
        httpx.get(url, headers={"X-API-Key": "%s"}, timeout=60)
    except httpx.HTTPError:
        pass

BEFORE
keytrail.instrument(journal_interval=60)
AFTER
silent = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{silent.getsockname()[1]}/hangs"
threading.Thread(target=call, args=(url,), daemon=True).start()
connection = silent.accept()[0]
connection.recv(1)
for _ in range(20):
    call("http://127.0.0.1:9/refused")
LAST
print("ready", flush=True)
WAIT
"""
SET = "signal.signal(signal.SIGTERM, {})".format
HANDLERS = {
    "none": ("", "", "", -15),
    "set before": (SET("leave"), "", "", 3),
    "set after": ("", SET("leave"), "", 3),
    "a function of the module got hold of before": (
        *("from signal import signal as set_handler", "set_handler(signal.SIGTERM, leave)", "", 3),
    ),
    "one that ends the process itself": ("", SET("lambda *_: os._exit(4)"), "", 4),
    "reset to the default": ("", SET("signal.SIG_DFL"), "", -15),
    "set and restored": ("", f"old = {SET('leave')}; {SET('old')}", "", -15),
    "one that calls the one before": (
        *(SET("leave"), f"old = {SET('lambda *event: old(*event)')}", "", 3),
    ),
    "one that asks for the one before": (
        "",
        f"assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL; {SET('leave')}; "
        "assert signal.getsignal(signal.SIGTERM) is leave",
        "",
        3,
    ),
    "asyncio's": ("", "", "on_loop()", 5),
}
"""Handler → code before and after activation, and at the end; the exit status of the process."""


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_is_called_and_nothing_is_lost(handler: str, tmp_path: Path) -> None:
    """What has ended is journaled, what runs is told as it stands, the exit status is unchanged."""
    before, after, last, status = HANDLERS[handler]
    script = (SCRIPT % K1).replace("BEFORE", before).replace("AFTER", after)
    process = subprocess.Popen(
        [sys.executable, "-c", script.replace("LAST", last).replace("WAIT", WAIT)],
        env=clean_environ(KEYTRAIL_HOME=str(tmp_path), KEYTRAIL_PEPPER=PEPPER),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    stop(process)
    assert process.returncode == status
    told = [(use["path"], use["outcome"]) for use in uses_in(tmp_path)]
    assert told == [("/hangs", "unknown"), *[("/refused", "error")] * 20]


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """Where the application ignores SIGTERM, it still does, and goes on being audited."""
    ignoring = SCRIPT.replace("WAIT", "input(); call('http://127.0.0.1:9/refused')")
    script = (ignoring % K1).replace("BEFORE", SET("signal.SIG_IGN"))
    process = subprocess.Popen(
        [sys.executable, "-c", script.replace("AFTER", "").replace("LAST", "")],
        env=clean_environ(KEYTRAIL_HOME=str(tmp_path), KEYTRAIL_PEPPER=PEPPER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    assert len(uses_in(tmp_path)) == 22
