from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from keytrail.store.sealing import seal
from keytrail.store.store import Store
from keytrail.store.verifying import verify
from store.sealing_kit import SIGNER, files_of, paths_of
from store.segment_kit import SECOND, T0, record, use, write
from support.services import clean_environ

KILLS = int(os.environ.get("KEYTRAIL_KILLS", "6"))
STRIDE = 1 if "KEYTRAIL_KILLS" in os.environ else 4
"""Every so many steps a sealing is killed."""
WRITERS = int(os.environ.get("KEYTRAIL_WRITERS", "4"))
DAY = 86_400 * SECOND

_STEPS = """
import os, pathlib, signal, sys
from keytrail.store.sealing import seal
from store.sealing_kit import SIGNER

left = 0

def counted(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call

steps = ("open", "write", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "truncate")
for name in steps:
    setattr(os, name, counted(getattr(os, name)))
for name in ("unlink", "replace", "rmdir", "mkdir"):
    setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
for line in sys.stdin:
    home, step = line.split()
    child = os.fork()
    if not child:
        left = int(step)
        seal(pathlib.Path(home), SIGNER)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_SEALER = """
import pathlib, sys, time
from keytrail.store.sealing import seal
from store.sealing_kit import SIGNER
while True:
    seal(pathlib.Path(sys.argv[1]), SIGNER)
    print("sealed", flush=True)
    time.sleep(0.05)
"""
_WRITER = """
import pathlib, sys, time
from journal.journal_kit import open_journal
from keytrail.journal import writer
writer.MAX_SEGMENT_BYTES = 100_000
journal = open_journal(pathlib.Path(sys.argv[1]), journal_interval=0.001)
number = int(sys.argv[2])
while True:
    for _ in range(20):
        journal.put((number, False))
        number += 1
    assert journal.flush(60)
    print(number, flush=True)
    time.sleep(0.5)
"""


def _start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=clean_environ(PYTHONPATH=str(Path(__file__).parents[1])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _prepare(home: Path) -> None:
    """A sealed day, to be folded and overtaken, and segments of two days."""
    write(home, record("start"), use(0, path="/early"), use(1), use(2), name="a.ndjson")
    seal(home, SIGNER)
    later = use(0, path="/orders/0")
    write(home, later, use(3), use(4, time=T0 + DAY), b'{"ti', name="b.ndjson")
    write(home, use(5), b"nonsense\n", name="c.ndjson")


def test_a_sealing_that_is_killed_at_any_step_loses_nothing(tmp_path: Path) -> None:
    """Every use stands once after each step, nobody is alarmed, and the next sealing ends it."""
    prepared = tmp_path / "prepared"
    _prepare(prepared)
    expected = sorted(f"/orders/{number}" for number in range(6))
    sealer = _start(_STEPS)
    assert sealer.stdin is not None
    assert sealer.stdout is not None
    for step in range(0, 1000, STRIDE):
        home = _copy(prepared, tmp_path / str(step))
        sealer.stdin.write(f"{home} {step}\n")
        sealer.stdin.flush()
        ended = int(sealer.stdout.readline())
        assert ended in (0, -signal.SIGKILL)
        assert sorted(paths_of(home)) == expected, step
        assert verify(home, SIGNER).problems == (), step
        if ended == 0:
            break
        seal(home, SIGNER)
        assert sorted(paths_of(home)) == expected, step
        assert {path.name for path in home.glob("sealed/*")} == {
            file.name for file in files_of(home)
        }
        assert verify(home, SIGNER).problems == (), step
    sealer.communicate(timeout=60)
    assert step > 20


def _copy(prepared: Path, home: Path) -> Path:
    shutil.copytree(prepared, home)
    for path in prepared.glob("live/*/*"):
        changed = path.stat().st_mtime_ns
        os.utime(home / path.relative_to(prepared), ns=(changed, changed))
    return home


class _Told:
    """What each writer of one home acknowledged: from where to where."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.first = 0
        self.ranges: list[tuple[int, int]] = []

    def start(self) -> tuple[int, subprocess.Popen[str]]:
        self.first += 10_000_000
        return self.first, _start(_WRITER, self.home, self.first)

    def end(self, first: int, process: subprocess.Popen[str]) -> None:
        process.kill()
        told, _ = process.communicate(timeout=60)
        last = told.rpartition("\n")[0].rpartition("\n")[2]
        self.ranges.append((first, int(last) if last else first))

    @property
    def acknowledged(self) -> int:
        return sum(last - first for first, last in self.ranges)


def _numbers(home: Path) -> Counter[int]:
    """Return how often each use stands in the store."""
    for _ in range(100):
        with suppress(duckdb.IOException), closing(Store(home)) as store:
            rows = store.all("SELECT (attributes->>'number')::BIGINT FROM uses")
            return Counter(number for (number,) in rows)
    raise AssertionError("the store never held still")


@contextmanager
def _running(told: _Told) -> Iterator[list[tuple[int, subprocess.Popen[str]]]]:
    writers = [told.start() for _ in range(WRITERS)]
    try:
        yield writers
    finally:
        for first, process in writers:
            told.end(first, process)


def _sealer(home: Path) -> subprocess.Popen[str]:
    """Start one that seals again and again; it has done so once."""
    process = _start(_SEALER, home)
    assert process.stdout is not None
    assert process.stdout.readline() == "sealed\n"
    return process


@pytest.mark.timeout(600 + 12 * KILLS)
def test_killed_writers_and_sealers_lose_and_double_nothing(home: Path) -> None:
    """While all write, seal and read: every acknowledged use once, and counts never go down."""
    told = _Told(home)
    chosen = random.Random(KILLS)
    counted = 0
    with _running(told) as writers:
        sealer = _sealer(home)
        for _ in range(KILLS):
            before = counted
            deadline = time.monotonic() + 0.2 + chosen.random()
            while time.monotonic() < deadline or counted == before:
                numbers = _numbers(home)
                assert sum(numbers.values()) == len(numbers) >= counted
                counted = len(numbers)
            if chosen.random() < 0.5:
                sealer.kill()
                sealer.communicate()
                sealer = _sealer(home)
            else:
                told.end(*writers.pop(chosen.randrange(len(writers))))
                writers.append(told.start())
        sealer.kill()
        sealer.communicate()
    numbers = _numbers(home)
    assert max(numbers.values()) == 1
    for first, last in told.ranges:
        assert all(number in numbers for number in range(first, last))
    assert told.acknowledged > 0
    assert verify(home, SIGNER).problems == ()
    seal(home, SIGNER)
    assert _numbers(home) == numbers
    assert len(files_of(home)) > 0
