from __future__ import annotations

from pathlib import Path

import pytest

from keytrail.questions import keys
from keytrail.sources import LocalSource
from keytrail.store import manifest
from keytrail.store.retention import retain
from keytrail.store.sealing import seal
from keytrail.store.verifying import verify
from store.sealing_kit import SIGNER, files_of, paths_of
from store.segment_kit import SECOND, T0, use, write

DAY = 86_400 * SECOND
MUCH = 2**60


def _three_days(home: Path) -> None:
    write(home, *(use(day, time=T0 + day * DAY) for day in range(3)), use(9, time=T0 + 9))
    seal(home, SIGNER)


@pytest.fixture
def _a_month_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty days keep what is younger than half a day after the first of three."""
    monkeypatch.setattr("keytrail.store.retention.now", lambda: T0 + 30 * DAY + DAY // 2)


@pytest.mark.usefixtures("_a_month_later")
def test_days_that_are_too_old_are_dropped(home: Path) -> None:
    """The manifest says what went, and the store stays whole."""
    _three_days(home)
    assert retain(home, SIGNER, 30, MUCH) == 2
    assert paths_of(home) == ["/orders/1", "/orders/2"]
    last = manifest.read(home).entries[-1]
    assert (last.event, dict(last.told)) == (
        "drop",
        {"reason": "days", "uses": 2, "first": T0, "last": T0 + 9},
    )
    assert {path.name for path in home.glob("sealed/*")} == {file.name for file in files_of(home)}
    assert verify(home, SIGNER).problems == ()


def test_the_oldest_go_when_there_is_too_much(home: Path) -> None:
    """Until the rest fits."""
    _three_days(home)
    newest = files_of(home)[-1]
    assert retain(home, SIGNER, 100_000, newest.bytes) == 3
    assert files_of(home) == (newest,)
    assert manifest.read(home).entries[-1].told["reason"] == "bytes"


def test_what_fits_stays(home: Path) -> None:
    """And the manifest gets no line."""
    _three_days(home)
    before = (home / manifest.NAME).read_bytes()
    assert retain(home, SIGNER, 100_000, MUCH) == 0
    assert (home / manifest.NAME).read_bytes() == before


@pytest.mark.usefixtures("_a_month_later")
def test_an_answer_says_what_was_dropped(home: Path) -> None:
    """It is bounded, where what went is of the time asked for."""
    _three_days(home)
    retain(home, SIGNER, 30, MUCH)
    found = keys(LocalSource(home)).completeness
    assert found.worth == "bounded"
    assert found.reasons == (
        "2 uses from 2025-11-25 18:00:00 UTC to 2025-11-25 18:00:00 UTC dropped: "
        "the store keeps so many days",
    )
    assert keys(LocalSource(home), since="2025-11-26T18:00:00Z").completeness.worth == "exact"
