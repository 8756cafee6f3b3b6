"""How a script waits for the signal that ends it."""

from __future__ import annotations

WAIT = "for _ in range(1200): time.sleep(0.1)"
"""Not in one sleep: a signal just before its system call would be handled when that returns."""
