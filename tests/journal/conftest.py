"""Fixtures of the journal's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.journal_kit import Receiver, end_journals, receiving
from keytrail import faults


@pytest.fixture(autouse=True)
def _no_journal_lives_on() -> Iterator[None]:
    """End the journals of a test with it."""
    yield
    end_journals()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "state" / "keytrail"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running OTLP/HTTP receiver."""
    found = Receiver()
    with receiving(found):
        yield found


@pytest.fixture
def counted_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count faults, as in production, instead of raising them."""
    monkeypatch.setattr(faults, "reraise", False)
