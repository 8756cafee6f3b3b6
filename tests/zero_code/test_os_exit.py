"""Processes that leave by ``os._exit`` or ``os.exec``, which run no ``atexit`` or ``finally``."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.cases import K1, PEPPER
from support.journals import lines_in, uses_in
from support.services import clean_environ

BEGIN = f"""
import os, socket, sys, threading, time, httpx, keytrail
keytrail.instrument(journal_interval=60)

def call(url="http://127.0.0.1:9/refused"):
    try:
        httpx.get(url, headers={{"X-API-Key": "{K1}"}}, timeout=60)
    except httpx.HTTPError:
        pass

def call_what_hangs():
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{{silent.getsockname()[1]}}/hangs"
    threading.Thread(target=call, args=(url,), daemon=True).start()
    connection = silent.accept()[0]
    connection.recv(1)
    return silent, connection

def slow_down_the_disk():
    write = os.write
    os.write = lambda *what: (time.sleep(0.7), write(*what))[1]

def in_a_child(work):
    child = os.fork()
    if not child:
        work()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

"""
HANGS = ("GET", "/hangs", "unknown")
REFUSED = ("GET", "/refused", "error")
LEAVING = {
    "at once": ("call()", {REFUSED: 1}, 1),
    "while a request hangs": ("kept = call_what_hangs()", {HANGS: 1}, 1),
    "from another thread": (
        "call(); leave = threading.Thread(target=os._exit, args=(3,)); leave.start(); leave.join()",
        {REFUSED: 1},
        1,
    ),
    "after a forked child did": ("call(); in_a_child(call); call()", {REFUSED: 3}, 2),
    "after a child that called nobody": ("call(); in_a_child(int); call()", {REFUSED: 2}, 1),
    "while the disk is slow": ("slow_down_the_disk(); call()", {REFUSED: 1}, 1),
    "once uninstrumented": ("call(); keytrail.uninstrument(); call()", {REFUSED: 1}, 1),
    "having done nothing": ("", {}, 0),
    "for another program": (
        "call(); os.execlp(sys.executable, 'python', '-c', 'raise SystemExit(3)')",
        {REFUSED: 1},
        1,
    ),
    "after one that is not there": (
        """call()
try:
    os.execvp("no-such-program", ["it"])
except FileNotFoundError:
    call()""",
        {REFUSED: 2},
        2,
    ),
}
"""How → what the process does before; the uses on disk; the segments."""


@pytest.mark.parametrize("how", LEAVING)
def test_what_was_seen_is_on_disk(how: str, tmp_path: Path) -> None:
    """Every use is there once, in a segment of its process that has an end; the status is kept."""
    work, uses, segments = LEAVING[how]
    home = tmp_path / "home"
    left = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{work}\nos._exit(3)\n"],
        env=clean_environ(KEYTRAIL_HOME=str(home), KEYTRAIL_PEPPER=PEPPER),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert left.returncode == 3, left.stderr
    told = Counter((use["method"], use["path"], use["outcome"]) for use in uses_in(home))
    assert told == uses
    assert len(list(home.glob("live/*/*.ndjson"))) == segments
    assert sum(line.get("record") == "stop" for line in lines_in(home)) == segments
