"""Fixtures of the command line's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Path:
    """The home that the environment names."""
    return Path(os.environ["KEYTRAIL_HOME"])
