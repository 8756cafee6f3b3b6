from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import keytrail
from journal.journal_kit import open_journal
from keytrail.journal import bounds, writer
from keytrail.readiness import Health
from support.waiting import eventually

UNWRITABLE = Health(
    recording=False,
    reason="home_unwritable\nhint: make KEYTRAIL_HOME a directory that this process may write to",
    ready=False,
)


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A home that cannot be a directory, for root neither."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "keytrail"


@pytest.fixture(autouse=True)
def _inactive() -> Iterator[None]:
    yield
    keytrail.uninstrument()


def test_a_strict_service_that_cannot_record_is_not_ready(blocked: Path) -> None:
    """It says so before its first request, with what to do, and when it can again."""
    keytrail.instrument(home=blocked, strict="on", journal_interval=0.02)
    assert keytrail.health() == UNWRITABLE
    blocked.parent.unlink()
    eventually(lambda: keytrail.health() == Health(recording=True, reason=None, ready=True))


def test_without_strictness_it_is_ready_all_the_same(blocked: Path) -> None:
    """The application may ask, but nothing keeps it from serving."""
    keytrail.instrument(home=blocked, journal_interval=0.02)
    assert keytrail.health().ready


def test_a_strict_service_without_keytrail_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where activation failed or never was, a strict environment is not content."""
    assert keytrail.health().ready
    monkeypatch.setenv("KEYTRAIL_STRICT", "on")
    health = keytrail.health()
    assert (health.recording, health.ready) == (False, False)
    assert health.reason is not None
    assert health.reason.startswith("keytrail is not active in this process\nhint: ")


def test_a_full_disk_is_told_before_a_use_is_lost(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Health follows the disk while no use comes."""
    keytrail.instrument(home=home, strict="on", journal_interval=0.02)
    assert keytrail.health().ready
    monkeypatch.setattr(bounds, "_last_tenth", lambda _: True)
    eventually(lambda: (keytrail.health().reason or "").startswith("disk_full\nhint: free"))
    monkeypatch.undo()
    eventually(lambda: keytrail.health().ready)


def test_a_full_queue_and_a_disk_that_hangs_are_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that does not come back is stalled, and then the memory is full."""
    monkeypatch.setattr("keytrail.journal.queue.STALLED_SECONDS", 0.05)
    waits, hangs = os.pipe()
    journal = open_journal(home, queue_size=3)

    def hang(*_: object) -> list[bytes]:
        os.read(waits, 1)
        return []

    monkeypatch.setattr(writer.Writer, "write", hang)
    journal.put((0, False))
    eventually(lambda: journal.trouble() == "stalled")
    for number in range(1, 5):
        journal.put((number, False))
    assert journal.trouble() == "queue_full"
    os.close(hangs)
    monkeypatch.undo()
    assert journal.close(60)
    os.close(waits)


@pytest.mark.parametrize(("sync", "synced"), [("off", False), ("batch", True)])
def test_every_batch_may_be_on_the_medium(
    home: Path, monkeypatch: pytest.MonkeyPatch, sync: str, synced: bool
) -> None:
    """``KEYTRAIL_JOURNAL_SYNC=batch`` calls ``fdatasync`` after each write; ``off`` never."""
    sizes: list[int] = []
    real = os.fdatasync

    def noted(file: int) -> None:
        sizes.append(os.fstat(file).st_size)
        real(file)

    monkeypatch.setattr(os, "fdatasync", noted)
    journal = open_journal(home, journal_sync=sync)
    for number in range(3):
        journal.put((number, False))
        assert journal.flush(60)
    (path,) = home.glob("live/*/*.ndjson")
    assert (len(sizes) >= 3, sizes[-1:] == [path.stat().st_size]) == (synced, synced)
    assert journal.close(60)
