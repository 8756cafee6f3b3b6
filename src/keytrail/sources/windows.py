"""Time cut into windows, each small enough that a search which is cut off is never believed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail.sources.source import CannotAnswer
from keytrail.store.moments import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SMALLEST_CAP: Final = 20
"""No backend is known that gives fewer traces at once, unless it is asked for fewer."""
_PATIENCE: Final = 4
"""Searches in a row that may be too slow."""


class TooMuchError(CannotAnswer):
    """The window is more than the backend searches at once: it is to be asked for less time."""


class TooSlowError(TooMuchError):
    """The backend did not answer in time."""


class LimitError(CannotAnswer):
    """The backend refuses to give so many traces at once."""


class Window(NamedTuple):
    """From ``begin`` to ``end``, both inclusive, in the units of the search."""

    begin: int
    end: int

    @property
    def is_smallest(self) -> bool:
        """Whether it can be cut no further."""
        return self.begin >= self.end

    def told(self, unit: int) -> str:
        """Return it in words; ``unit`` is one of the search's in nanoseconds."""
        return f"{seconds(self.begin * unit)} to {seconds(self.end * unit)} UTC"

    def halves(self, moments: Sequence[int]) -> tuple[Window, Window]:
        """Return two windows with half of ``moments`` each; half of the time where none lie in."""
        inside = [moment for moment in moments if self.begin <= moment < self.end]
        middle = median_low(inside) if inside else (self.begin + self.end) // 2
        return Window(self.begin, middle), Window(middle + 1, self.end)


class Trace(NamedTuple):
    """A trace that a search gave."""

    trace_id: str
    moment: int
    """A time in it, in the units of the search."""
    content: Any


class Searched(NamedTuple):
    """What a search of one window gave."""

    window: Window
    traces: Sequence[Trace]
    whole: bool
    """False where the window can be cut no further and there was still more."""


class _Doubt(NamedTuple):
    """A page that may have been cut off; searches of its parts tell."""

    size: int
    seen: set[str]


_Waiting = tuple[Window, "_Doubt | None"]


@dataclass(slots=True)
class Bisection:
    """Searches a backend that gives so many traces at once, and does not say that there are more.

    A page as long as was asked for is not whole. Nor is one believed that is the longest so far: a
    backend may give fewer than it was asked for, without a word. What is not believed is dropped,
    and the parts of its window are searched instead.
    """

    limit: int
    """Traces asked for at once."""
    most: int
    """Asked for where a window can be cut no further."""
    _believed: int = _SMALLEST_CAP
    """A page that is shorter is whole: the backend gives as many."""
    _slow: int = 0

    def search(
        self, whole: Window, longest: int, ask: Callable[[Window, int], Sequence[Trace]]
    ) -> Iterator[Searched]:
        """Search ``whole`` in windows of at most ``longest``, the newest first.

        ``ask`` returns the traces of a window, at most as many as it is told.

        Raises:
            TooMuchError: the smallest window is more than the backend can search.
            LimitError: it gives not even one trace.
        """
        waiting: list[_Waiting] = [(window, None) for window in _cut(whole, longest)]
        while waiting:
            window, doubt = waiting.pop()
            traces = self._ask(window, ask)
            if traces is None:
                waiting += [(half, None) for half in window.halves(())]
                continue
            self._settle(doubt, traces)
            full = len(traces) >= self._asked(window)
            if window.is_smallest or not (full or self._is_doubtful(traces)):
                yield Searched(window, traces, not full)
                continue
            doubt = None if full else _Doubt(len(traces), set())
            moments = [trace.moment for trace in traces]
            waiting += [(half, doubt) for half in window.halves(moments)]

    def _asked(self, window: Window) -> int:
        return self.most if window.is_smallest else self.limit

    def _ask(
        self, window: Window, ask: Callable[[Window, int], Sequence[Trace]]
    ) -> Sequence[Trace] | None:
        """Return the traces; ``None`` where it must be asked for less time."""
        asked = self._asked(window)
        try:
            traces = ask(window, asked)
        except LimitError:
            if asked <= 1:
                raise
            self._lower(asked // 2)
            return self._ask(window, ask)
        except TooMuchError as error:
            self._slow += isinstance(error, TooSlowError)
            if window.is_smallest or self._slow > _PATIENCE:
                raise
            return None
        self._slow = 0
        return traces

    def _is_doubtful(self, traces: Sequence[Trace]) -> bool:
        """Tell whether so many were not seen to be surpassed yet."""
        if len(traces) < self._believed:
            return False
        self._believed = len(traces)
        return True

    def _settle(self, doubt: _Doubt | None, traces: Sequence[Trace]) -> None:
        """Find out, from the parts of a window, whether its page was cut off."""
        if doubt is not None:
            doubt.seen.update(trace.trace_id for trace in traces)
            if len(doubt.seen) > doubt.size:
                self._lower(doubt.size)

    def _lower(self, limit: int) -> None:
        self.limit, self.most = min(self.limit, limit), min(self.most, limit)


def _cut(whole: Window, longest: int) -> Iterator[Window]:
    """Yield the windows, the oldest first."""
    begin = whole.end + 1 - -(-(whole.end + 1 - whole.begin) // longest) * longest
    for start in range(begin, whole.end + 1, longest):
        yield Window(max(start, whole.begin), start + longest - 1)
