"""Fixtures for every test: our own faults fail the test, and nothing touches the user's home."""

from __future__ import annotations

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
