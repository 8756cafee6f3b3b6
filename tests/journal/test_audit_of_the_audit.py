from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from journal.journal_kit import Receiver, Use, lines_of, open_journal, paths_of
from keytrail.journal import aftermath, lock, proof
from keytrail.journal.journal import Journal
from keytrail.journal.proof import Proof, prove
from keytrail.settings import Secret
from support.told import told
from support.waiting import eventually

PEPPER = "0123456789abcdef0123456789abcdef"


def records_in(home: Path, *names: str) -> list[dict[str, Any]]:
    """Return the audit's own records of some kinds, without their times."""
    found = [line for line in lines_of(home) if line.get("record") in names]
    return [{name: value for name, value in line.items() if name != "time"} for line in found]


def run(home: Path, uses: int, **settings: Any) -> None:
    """Run a journal from its start to its end."""
    journal = open_journal(home, **settings)
    for number in range(uses):
        journal.put((number, False))
    assert journal.flush(60)
    journal.close(60)


def test_changed_settings_are_a_record_of_their_own(home: Path) -> None:
    """The next start of a service tells what is not as before, and no secret."""
    run(home, 1, journal_days=7)
    run(home, 1, journal_days=7)
    assert records_in(home, "settings") == []
    run(home, 1, jwt="all", pepper=Secret(PEPPER))
    (record,) = records_in(home, "settings")
    assert {**record["attributes"], "service": ""} == {
        "service": "",
        "before": {"jwt": None, "journal_days": "7", "pepper": None},
        "after": {"jwt": "all", "journal_days": None, "pepper": "set"},
    }
    assert all(PEPPER not in path.read_text() for path in home.rglob("*") if path.is_file())


def test_a_process_that_ended_hard_is_told_once(home: Path) -> None:
    """A segment without its stop record is a gap: what was in memory is not in the journal."""
    with told(home) as service:
        service.tell("use", 0, 5)
        assert service.tell("flush")
        service.process.kill()
        service.process.wait()
    (killed,) = paths_of(home)
    last = json.loads(killed.read_bytes().splitlines()[-1])["time"]
    run(home, 1)
    run(home, 1)
    assert records_in(home, "gap") == [
        {
            "record": "gap",
            "reason": "ended_hard",
            "attributes": {"uses": 0, "segment": killed.name, "last": last},
        }
    ]


def test_records_outlive_their_segment(home: Path, receiver: Receiver) -> None:
    """When a segment has been delivered, its start and its stop remain."""
    run(home, 3, otlp_endpoint=receiver.url)
    assert paths_of(home) == []
    kept = [json.loads(line) for line in (home / "records.ndjson").read_text().splitlines()]
    assert [record["record"] for record in kept] == ["start", "stop"]
    assert kept[1]["attributes"]["uses"] == 3


def test_a_hard_end_outlives_its_segment(home: Path, receiver: Receiver) -> None:
    """The next process delivers what a killed one left, and the files still say that it died."""
    with told(home, receiver.url) as service:
        service.tell("use", 0, 5)
        assert service.tell("flush")
        (killed,) = paths_of(home)
        service.process.kill()
        service.process.wait()
    journal = open_journal(home, otlp_endpoint=receiver.url)
    eventually(lambda: paths_of(home) == [])
    assert journal.close(60)
    kept = [json.loads(line) for line in (home / "records.ndjson").read_text().splitlines()]
    assert [record["record"] for record in kept] == ["start", "gap"]
    assert (kept[1]["reason"], kept[1]["attributes"]["segment"]) == ("ended_hard", killed.name)


def test_a_credential_in_a_url_is_not_recorded(home: Path) -> None:
    """Of an endpoint the records show scheme, host and port."""
    endpoint = f"http://me:{PEPPER}@127.0.0.1:9/{PEPPER}?token={PEPPER}"
    run(home, 1, otlp_endpoint=endpoint, otlp_timeout=0.5)
    assert lines_of(home)[0]["attributes"]["settings"]["otlp_endpoint"] == "http://127.0.0.1:9"
    assert all(PEPPER not in path.read_text() for path in home.rglob("*") if path.is_file())


def test_the_books_can_be_proved_from_the_files_alone(home: Path, receiver: Receiver) -> None:
    """Delivered, kept, refused, dropped: the files say the same as the process did."""
    receiver.poison = {2}
    run(home, 10, otlp_endpoint=receiver.url)
    run(home, 4)
    assert prove(home) == Proof(kept=4, delivered=9, dropped=Counter(refused=1))
    receiver.status = 503
    journal = open_journal(
        home, otlp_endpoint=receiver.url, otlp_timeout=60, queue_size=5, journal_interval=60
    )
    for number in range(8):
        journal.put((number, False))
    assert journal.flush(60)
    assert not journal.close(0.5)
    eventually(lambda: journal.accounting.snapshot().waiting == 5)
    found = prove(home)
    assert found == Proof(kept=4, waiting=5, delivered=9, dropped=Counter(refused=1, queue_full=3))
    assert found.seen == 22


def test_a_line_that_somebody_took_out_is_missing(home: Path) -> None:
    """The stop record knows how many uses its segment holds."""
    run(home, 5)
    (path,) = paths_of(home)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert prove(home) == Proof(kept=4, missing=1)


@pytest.fixture
def waiting(home: Path, receiver: Receiver) -> Journal[Use]:
    """A journal of ten uses that the receiver is ready to take, but was not when they came."""
    receiver.status = 503
    journal = open_journal(home, otlp_endpoint=receiver.url, otlp_timeout=60)
    for number in range(10):
        journal.put((number, False))
    assert journal.flush(60)
    eventually(lambda: receiver.paths)
    assert prove(home) == Proof(waiting=10)
    receiver.status = 200
    return journal


@pytest.mark.parametrize("step", ["segments", "_read_segments", "_notes"])
def test_a_segment_that_is_delivered_while_the_books_are_proved_counts_once(
    home: Path, waiting: Journal[Use], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whether it was listed, read, or looked for among the notes before: its uses are there."""
    real = getattr(proof, step)

    def before_its_delivery(home: Path) -> Any:
        found = real(home)
        eventually(lambda: waiting.deliver(60))  # it may have timed out on a busy machine
        assert waiting.close(60)
        return found

    with monkeypatch.context() as delivered:
        delivered.setattr(proof, step, before_its_delivery)
        books = prove(home)
    assert books == (Proof(waiting=10) if step == "_notes" else Proof(delivered=10))
    assert prove(home) == Proof(delivered=10)


def test_a_segment_that_grows_while_the_books_are_proved_misses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop record is compared with the uses that were read with it."""
    journal = open_journal(home)
    journal.put((0, False))
    assert journal.flush(60)
    real = proof._notes

    def before_its_end(home: Path) -> Any:
        journal.put((1, False))
        assert journal.close(60)
        return real(home)

    monkeypatch.setattr(proof, "_notes", before_its_end)
    assert prove(home) == Proof(kept=1)


def test_a_process_that_dies_between_note_and_deletion_counts_once(
    home: Path, receiver: Receiver
) -> None:
    """Whoever deletes the segment in its place notes it again, and keeps its records again."""
    run(home, 3, otlp_endpoint=receiver.url)
    for name in ("delivered.ndjson", "records.ndjson"):
        path = home / name
        path.write_bytes(path.read_bytes() * 2 + b'{"time":17')
    assert prove(home) == Proof(delivered=3)


def test_notes_that_had_to_go_are_no_loss(
    home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes are shorter lived than the records of the segments that they tell of."""
    monkeypatch.setattr("keytrail.journal.aftermath.MAX_DELIVERED_BYTES", 1000)
    for _ in range(8):
        run(home, 2, otlp_endpoint=receiver.url)
    found = prove(home)
    assert 2 <= found.delivered < 16
    assert found == Proof(delivered=found.delivered)


def test_processes_that_share_a_home_lose_no_note(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note is not written to a file that another process is just replacing by a shorter one."""
    home.mkdir(parents=True)
    path = home / "delivered.ndjson"
    opened = threading.Event()

    def locks(descriptor: int, _: float) -> bool:
        opened.set()
        return lock.locks(descriptor, 60)

    with aftermath.alone(path):
        monkeypatch.setattr(aftermath, "locks", locks)
        late = threading.Thread(target=aftermath.note_delivered, args=(home, {"segment": "late"}))
        late.start()
        assert opened.wait(60)
        (home / "shorter").write_bytes(b'{"segment":"kept"}\n')
        (home / "shorter").replace(path)
    late.join()
    notes = [json.loads(line)["segment"] for line in path.read_bytes().splitlines()]
    assert notes == ["kept", "late"]
