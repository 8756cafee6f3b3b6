"""How a test waits for what will happen, and a script for the signal that ends it."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT = "for _ in range(1200): time.sleep(0.1)"
"""Not in one sleep: a signal just before its system call would be handled when that returns."""


def eventually(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until ``holds()``, and fail if it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.01)
