from __future__ import annotations

import json
from pathlib import Path

from journal.journal_kit import numbers_of, paths_of, start_python

FLOOD = """
import pathlib, sys
from journal.journal_kit import open_journal
journal = open_journal(pathlib.Path(sys.argv[1]), journal_interval=0.001)
number = int(sys.argv[2])
while True:
    for _ in range(50):
        journal.put((number, False))
        number += 1
    assert journal.flush(60)
    print(number, flush=True)
"""


def test_killed_writers_lose_nothing_that_they_had_journaled(home: Path) -> None:
    """Two writers of one home are killed mid-write: what they acknowledged is whole on disk."""
    processes = {first: start_python(FLOOD, home, first) for first in (0, 1_000_000)}
    acknowledged: set[int] = set()
    for first, process in processes.items():
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(20)]
        acknowledged.update(range(first, told[-1]))
    for process in processes.values():
        process.kill()
        process.communicate()
    for path in paths_of(home):
        whole, _, torn = path.read_bytes().rpartition(b"\n")
        assert not _parses(torn)
        assert all(_parses(line) for line in whole.splitlines())
        path.write_bytes(whole + b"\n" * bool(whole))
    numbers = numbers_of(home)
    writers = {int(path.stem.split("-")[-2]) for path in paths_of(home)}
    assert writers == {process.pid for process in processes.values()}
    assert len(numbers) == len(set(numbers))
    assert len(acknowledged) >= 2000
    assert acknowledged <= set(numbers)


def _parses(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
