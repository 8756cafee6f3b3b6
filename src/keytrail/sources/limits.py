"""How long a question may take, how much it may read, and who hears how far it is."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _silence(_: str) -> None:
    """Tell nobody."""


_LEAST = 0.001
_INTERRUPTED_EVERY = 0.005


class StoppedError(Exception):
    """A limit was passed; says which, in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``None`` is no limit; ``progress`` hears a line of text now and then."""

    seconds: float | None = None
    rows: int | None = None
    """Most uses that are read from a source that has to be searched."""
    progress: Callable[[str], None] = _silence
    _begun: float = field(default_factory=time.monotonic)
    _running: list[Callable[[], None]] = field(default_factory=list)

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least some; ``None`` without a limit."""
        if self.seconds is None:
            return None
        return max(self.seconds - (time.monotonic() - self._begun), _LEAST)

    @property
    def are_over(self) -> bool:
        """Whether there is no time left."""
        return self.seconds is not None and time.monotonic() - self._begun > self.seconds

    def of_at_most(self, rows: int | None) -> Limits:
        """Return the limits of a part of the question that may read no more than ``rows``."""
        if rows is None or (self.rows is not None and self.rows <= rows):
            return self
        return replace(self, rows=rows)

    def check(self, rows: int = 0) -> None:
        """Go on while there is time, and no more than ``rows`` are to be read.

        Raises:
            StoppedError: a limit was passed.
        """
        if self.are_over:
            raise StoppedError(f"stopped after {self.seconds:g} seconds")
        if self.rows is not None and rows > self.rows:
            raise StoppedError(f"stopped after {self.rows:,} {'use' if self.rows == 1 else 'uses'}")

    @contextmanager
    def interrupting(self, end: Callable[[], None]) -> Iterator[None]:
        """Call ``end``, from another thread, when the time is over or the question is cancelled."""
        done = threading.Event()
        timer = threading.Thread(target=self._end_in_time, args=(end, done), daemon=True)
        self._running.append(end)
        if self.seconds is not None:
            timer.start()
        try:
            yield
        finally:
            self._running.remove(end)
            done.set()
            if self.seconds is not None:
                timer.join()

    def _end_in_time(self, end: Callable[[], None], done: threading.Event) -> None:
        """Again and again: an interruption between two statements would be lost."""
        seconds = self.remaining()
        while not done.wait(seconds):
            end()
            seconds = _INTERRUPTED_EVERY

    def interrupt(self) -> None:
        """End what is running."""
        for end in tuple(self._running):
            end()


NO_LIMITS = Limits()
