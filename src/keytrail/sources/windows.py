"""Time cut into windows, each small enough that a search which is cut off is never believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Page = TypeVar("Page")


class Window(NamedTuple):
    """From ``begin`` to ``end``, both inclusive, in the units of the search."""

    begin: int
    end: int


class Searched(NamedTuple, Generic[Page]):
    """What a search of one window gave."""

    window: Window
    page: Page
    whole: bool
    """False where the window can be cut no further and there was still more."""


def bisect(
    whole: Window, longest: int, search: Callable[[Window], tuple[Page, bool]]
) -> Iterator[Searched[Page]]:
    """Search ``whole`` in windows of at most ``longest``, the newest first.

    ``search`` returns a page, and whether it is all of its window. What is not is dropped, and
    both halves of the window are searched instead.
    """
    waiting = [*_cut(whole, longest)]
    while waiting:
        window = waiting.pop()
        page, is_whole = search(window)
        if is_whole or window.begin >= window.end:
            yield Searched(window, page, is_whole)
            continue
        middle = (window.begin + window.end) // 2
        waiting += [Window(window.begin, middle), Window(middle + 1, window.end)]


def _cut(whole: Window, longest: int) -> Iterator[Window]:
    """Yield the windows, the oldest first."""
    end = whole.end
    cut = []
    while end >= whole.begin:
        begin = max(whole.begin, end - longest + 1)
        cut.append(Window(begin, end))
        end = begin - 1
    yield from reversed(cut)
