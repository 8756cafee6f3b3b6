"""Fixtures for every test: our own faults fail the test, and nothing touches the user's home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from keytrail import faults
from support.generated import FULL_SIZE

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("further", deadline=None, max_examples=5_000)
settings.load_profile("further" if FULL_SIZE else "same")
"""The same examples each time, whoever shares the machine; new ones at full size."""

_DAY = 86_400
_LONGEST = 30
"""Seconds that a test which looks at days may take."""


@pytest.fixture(autouse=True)
def _within_one_day() -> None:
    """Begin no test just before midnight, UTC: segments and sealed files are of one day."""
    left = _DAY - time.time() % _DAY
    if left < _LONGEST:
        time.sleep(left)


@pytest.fixture(autouse=True)
def _no_hidden_faults() -> Iterator[None]:
    """Raise keytrail's faults instead of counting them."""
    faults.reraise = True
    yield
    faults.reraise = False


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep journals and generated peppers in the test's own directory."""
    monkeypatch.setenv("KEYTRAIL_HOME", str(tmp_path / "keytrail-home"))
