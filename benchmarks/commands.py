"""The command line as a user runs it: whole processes, over a journal that stays unsealed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the kernel tells a process's peak memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """One command, from its start to its end."""

    seconds: float
    cpu_seconds: float
    """Of all its threads: what the seconds do not owe to whatever else the machine was doing."""
    peak_bytes: int


def run(home: Path, *arguments: str) -> Run:
    """Run a command over ``home``, its answer unseen.

    Raises:
        SystemExit: it failed.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(
        command(home, *arguments),
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"keytrail {arguments[0]} ended with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_UNIT)


def environ() -> dict[str, str]:
    """Return the environment of a user's command: what Python compiled once, it need not again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def command(home: Path, *arguments: str) -> list[str]:
    """Return the command line of ``keytrail`` over ``home``."""
    return [str(Path(sys.executable).with_name("keytrail")), *arguments, "--home", str(home)]


@contextmanager
def kept_open(home: Path) -> Iterator[None]:
    """Hold the segments as their writers do, so that no question seals them."""
    with ExitStack() as stack:
        for path in home.glob("live/*/*.ndjson"):
            segment = stack.enter_context(path.open("rb"))
            fcntl.flock(segment, fcntl.LOCK_EX)
        yield
