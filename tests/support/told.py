"""A real audited process that does what a test tells it, and what it has left on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keytrail.journal.cursor import confirmed
from keytrail.journal.segment import segments, uses_in
from support.cases import K1, PEPPER
from support.services import APPS, clean_environ


@dataclass(frozen=True)
class Books:
    """What a process says became of the uses that it saw."""

    seen: int
    delivered: int
    waiting: int
    dropped: dict[str, int]


@dataclass
class Told:
    """A running process of ``apps/told_app.py``."""

    process: subprocess.Popen[str]
    home: Path

    def tell(self, command: str, *numbers: int) -> Any:
        """Have a command done and return what it returned."""
        self.begin(command, *numbers)
        return self.answer()

    def begin(self, command: str, *numbers: int) -> None:
        """Have a command done without waiting for its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join([command, *map(str, numbers)]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Return what the next command that was begun returned."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def books(self) -> Books:
        """Return the books now."""
        return Books(**self.tell("books"))

    def end(self) -> str:
        """End it in an orderly way; return what it wrote to stderr."""
        _, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, errors
        return errors


@contextmanager
def told(home: Path, endpoint: str | None = None, **settings: str) -> Iterator[Told]:
    """Run a told process; it is killed at the end if it still runs.

    It is patient with ``endpoint``: what is not answered in time is sent again.
    """
    if endpoint is not None:
        settings = {"KEYTRAIL_OTLP_ENDPOINT": endpoint, "KEYTRAIL_OTLP_TIMEOUT": "60", **settings}
    process = subprocess.Popen(
        [sys.executable, str(APPS / "told_app.py")],
        env=clean_environ(
            KEYTRAIL_HOME=str(home),
            KEYTRAIL_PEPPER=PEPPER,
            KEYTRAIL_JOURNAL_INTERVAL="0.02",
            KEYTRAIL_SHUTDOWN_TIMEOUT="30",
            USED_KEY=K1,
            OTEL_TRACES_SAMPLER="always_off",
            **settings,
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Told(process, home)
    finally:
        process.kill()
        process.communicate()


def waiting_on_disk(home: Path) -> int:
    """Return how many uses stand in the journal and are not confirmed."""
    waiting = 0
    for found in segments(home):
        with suppress(FileNotFoundError):  # delivered and deleted meanwhile
            waiting += uses_in(found.path, confirmed(found.path))
    return waiting


def holds_raw_key(home: Path) -> bool:
    """Tell whether any file under ``home`` holds the raw key."""
    return any(K1.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
