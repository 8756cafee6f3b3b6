"""What held nothing secret as long as the known keys have been the same, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MOST_OF_NAMES: Final = 1024 * 1024
_MOST_OF_FRAMES: Final = 2 * 1024 * 1024
"""Characters of what is remembered."""
_MOST_OBJECTS: Final = 64


class Clean:
    """Names of attributes, frames of stack traces, resources and scopes that need no new search.

    Each kind starts anew where it is full. Safe in every thread.
    """

    __slots__ = ("_objects", "_of_frames", "_of_names", "frames", "names", "sets")

    def __init__(self) -> None:
        self.names: set[str] = set()
        """Those that say nothing of their values."""
        self.sets: dict[tuple[str, ...], int] = {}
        """Names that stand together, and which of them is a stack trace's; -1 where none is."""
        self.frames: dict[tuple[int, str], str] = {}
        """Whole stack traces, by the length of their frames and how these end."""
        self._of_names = self._of_frames = 0
        self._objects: dict[int, object] = {}

    def learn_names(self, names: Collection[str], sets: Mapping[tuple[str, ...], int]) -> None:
        """Take in what was searched."""
        self._of_names += sum(map(len, names)) + sum(len(name) for one in sets for name in one)
        self.names.update(names)
        self.sets.update(sets)
        if self._of_names > _MOST_OF_NAMES:
            self.names.clear()
            self.sets.clear()
            self._of_names = 0

    def learn_frames(self, frames: Mapping[tuple[int, str], str]) -> None:
        """Take in what was searched."""
        self._of_frames += sum(map(len, frames.values()))
        self.frames.update(frames)
        if self._of_frames > _MOST_OF_FRAMES:
            self.frames.clear()
            self._of_frames = 0

    def holds(self, around: object) -> bool:
        """Tell whether this very object is known to be clean."""
        return self._objects.get(id(around)) is around

    def keep(self, around: object) -> None:
        """Remember an object."""
        if len(self._objects) < _MOST_OBJECTS:
            self._objects[id(around)] = around
