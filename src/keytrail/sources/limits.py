"""How long a question may take, how much it may read, and who hears how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _silence(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``None`` is no limit; ``progress`` hears a line of text now and then."""

    seconds: float | None = None
    rows: int | None = None
    """Most uses that are read from a source that has to be searched."""
    progress: Callable[[str], None] = _silence
    _begun: float = field(default_factory=time.monotonic)

    def passed(self, rows: int) -> str | None:
        """Return which limit was passed after reading so many rows, in words."""
        if self.seconds is not None and time.monotonic() - self._begun > self.seconds:
            return f"stopped after {self.seconds:g} seconds"
        if self.rows is not None and rows > self.rows:
            return f"stopped after {self.rows:,} uses"
        return None


NO_LIMITS = Limits()
