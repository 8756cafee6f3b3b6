"""Whatever a backend gives at once, and however its traces lie in time, none is missed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from keytrail.sources.windows import (
    Bisection,
    LimitError,
    TooMuchError,
    TooSlowError,
    Trace,
    Window,
)

_DAY = 86_400_000_000
_Ask = Callable[[Window, int], Sequence[Trace]]


def _backend(moments: Sequence[int], cap: int = 10**9) -> _Ask:
    """Return what gives the traces of a window in no order, never more than ``cap``."""
    order = random.Random(1)
    traces = [Trace(f"{number:x}", moment, None) for number, moment in enumerate(moments)]

    def ask(window: Window, most: int) -> Sequence[Trace]:
        found = [trace for trace in traces if window.begin <= trace.moment <= window.end]
        order.shuffle(found)
        return found[: min(most, cap)]

    return ask


def _found(ask: _Ask, longest: int = _DAY, limit: int = 100) -> tuple[set[str], bool, int]:
    """Return which traces are found, whether all windows are whole, and how often was asked."""
    asked = 0

    def counting(window: Window, most: int) -> Sequence[Trace]:
        nonlocal asked
        asked += 1
        return ask(window, most)

    searched = [*Bisection(limit, 10_000).search(Window(0, _DAY - 1), longest, counting)]
    ids = {trace.trace_id for one in searched for trace in one.traces}
    return ids, all(one.whole for one in searched), asked


_SPREAD = {
    "evenly": lambda at: at.randrange(_DAY),
    "within a second": lambda at: _DAY // 3 + at.randrange(1_000_000),
    "in two bursts": lambda at: at.choice((10, _DAY - 10)) + at.randrange(10),
}


@pytest.mark.parametrize("cap", [25, 99, 100, 10**9])
@pytest.mark.parametrize("spread", _SPREAD)
@pytest.mark.parametrize("count", [1, 24, 25, 26, 99, 100, 1_500])
def test_no_trace_is_missed(spread: str, count: int, cap: int) -> None:
    """Also where it gives fewer than it was asked for, without a word: or that is told."""
    at = random.Random(count)
    moments = [_SPREAD[spread](at) for _ in range(count)]
    found, whole, _ = _found(_backend(moments, cap))
    most = max(moments.count(moment) for moment in set(moments))
    assert len(found) == count or (most >= cap and not whole)


@pytest.mark.parametrize(("count", "most"), [(0, 1), (19, 1), (80, 3), (1_000, 60)])
def test_few_searches_are_enough(count: int, most: int) -> None:
    """A window is cut where its traces lie, so that a burst in a long time costs no more."""
    at = random.Random(count)
    moments = [_SPREAD["within a second"](at) for _ in range(count)]
    assert _found(_backend(moments))[2] <= most


def test_windows_are_the_newest_first_and_no_longer_than_allowed() -> None:
    """Together they are the whole, each moment once."""
    windows = [one.window for one in Bisection(100, 100).search(Window(3, 11), 4, lambda *_: ())]
    assert windows == [Window(8, 11), Window(4, 7), Window(3, 3)]


def test_a_limit_that_is_refused_is_lowered() -> None:
    """Some refuse to give as many at once; what they give is enough."""
    inner = _backend(range(0, 1000, 3))

    def ask(window: Window, most: int) -> Sequence[Trace]:
        if most > 10:
            raise LimitError
        return inner(window, most)

    found, whole, _ = _found(ask)
    assert (len(found), whole) == (334, True)


def test_a_window_that_is_too_much_is_halved() -> None:
    """However many halves it takes, where the backend refuses at once."""
    inner = _backend(range(0, _DAY, _DAY // 30))

    def ask(window: Window, most: int) -> Sequence[Trace]:
        if window.end - window.begin > _DAY // 500:
            raise TooMuchError
        return inner(window, most)

    assert len(_found(ask)[0]) == 30


def test_a_backend_that_is_always_too_slow_is_given_up() -> None:
    """After a few searches, not after one for every microsecond."""
    asked = []

    def ask(window: Window, _: int) -> Sequence[Trace]:
        asked.append(window)
        raise TooSlowError

    with pytest.raises(TooSlowError):
        _found(ask)
    assert len(asked) == 5
