"""How long a question may take, how much it may read, and who hears how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _silence(_: str) -> None:
    """Tell nobody."""


_LEAST = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """``None`` is no limit; ``progress`` hears a line of text now and then."""

    seconds: float | None = None
    rows: int | None = None
    """Most uses that are read from a source that has to be searched."""
    progress: Callable[[str], None] = _silence
    _begun: float = field(default_factory=time.monotonic)

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least some; ``None`` without a limit."""
        if self.seconds is None:
            return None
        return max(self.seconds - (time.monotonic() - self._begun), _LEAST)

    def passed(self, rows: int) -> str | None:
        """Return which limit was passed after reading so many rows, in words."""
        if self.seconds is not None and time.monotonic() - self._begun > self.seconds:
            return f"stopped after {self.seconds:g} seconds"
        if self.rows is not None and rows > self.rows:
            return f"stopped after {self.rows:,} uses"
        return None


NO_LIMITS = Limits()
