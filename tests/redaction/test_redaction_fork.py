"""Forks and threads: nothing hangs, nothing is missed."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from keytrail.capture.key import RawKey
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import remember
from support.cases import K1

LONG_TEXT = "GET /items/7?color=blue took 12 ms; author=x, page=2\n" * 400
FORKS = int(os.environ.get("FULL_FORKS", "30"))


def _wait(pid: int, deadline: float) -> int | None:
    """Return the exit status of a child, or nothing if it is still running at the deadline."""
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_other_threads_redact(redactor: Redactor, memory: KeyMemory) -> None:
    """A child redacts and remembers at once, whatever its parent's threads were doing."""
    stop = threading.Event()

    def redact() -> None:
        while not stop.is_set():
            redactor.text(LONG_TEXT)

    def fill() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            memory.remember(RawKey(f"kt_live_{number:012d}".encode()), None)

    threads = [threading.Thread(target=target) for target in (redact, redact, redact, fill)]
    for thread in threads:
        thread.start()
    try:
        results = []
        for _ in range(FORKS):
            pid = os.fork()
            if pid == 0:
                remember(memory, K1)
                found = redactor.text(f"{LONG_TEXT}{K1}").endswith("REDACTED")
                os._exit(0 if found else 1)
            results.append(_wait(pid, time.monotonic() + 60))
            if results[-1] is None:
                break
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert results == [0] * FORKS


def test_keys_remembered_by_other_threads_are_found() -> None:
    """Requests remember and bind while exporters redact; each finds its own key at once."""
    memory = KeyMemory(ring=8)
    redactor = Redactor(SensitiveNames(), memory)
    missed: list[str] = []

    def serve(worker: int) -> None:
        for number in range(200):
            key = f"kt_live_{worker:02d}_{number:08d}"
            trace_id = worker * 1000 + number + 1
            memory.bind(trace_id, remember(memory, key))
            if redactor.text(f"for {key}", trace_id) != "for REDACTED":
                missed.append(key)

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
