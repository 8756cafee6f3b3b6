from __future__ import annotations

from pathlib import Path

from journal.journal_kit import Receiver, open_journal, paths_of, receiving
from keytrail.cli.checks.check import Check
from keytrail.cli.checks.home import checks
from keytrail.settings import Settings


def books(home: Path) -> list[Check]:
    """Return what ``keytrail doctor`` says of the books of ``home``."""
    return [check for check in checks(Settings(home=home), {}) if check.name == "books"]


def test_books_that_add_up_are_fine(tmp_path: Path) -> None:
    """What is kept and what was delivered, from the files alone; nothing before there are uses."""
    assert books(tmp_path) == []
    receiver = Receiver()
    with receiving(receiver):
        for endpoint, uses in ((receiver.url, 3), (None, 2)):
            journal = open_journal(tmp_path, otlp_endpoint=endpoint)
            for number in range(uses):
                journal.put((number, False))
            assert journal.close(60)
    says = "5 uses seen: 2 kept, 3 delivered, 0 waiting, 0 dropped"
    assert books(tmp_path) == [Check("books", "ok", says)]


def test_losses_are_told_by_reason_and_missing_lines_fail(tmp_path: Path) -> None:
    """A drop is a warning with its reason; a line that somebody took out is a failure."""
    journal = open_journal(tmp_path, queue_size=2, journal_interval=60)
    for number in range(5):
        journal.put((number, False))
    assert journal.close(60)
    says = "5 uses seen: 2 kept, 0 delivered, 0 waiting, 3 dropped (3 queue_full)"
    hint = "the reasons and what to do: docs/running.md"
    assert books(tmp_path) == [Check("books", "warn", says, hint)]
    (path,) = paths_of(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"number":0' not in line))
    (check,) = books(tmp_path)
    assert (check.state, check.says[-11:]) == ("fail", ", 1 missing")
