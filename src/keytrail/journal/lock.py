"""The lock of a file of the journal: whether somebody has it, and having it.

The writer of a segment has it for as long as it lives, whoever delivers a segment that of its
sidecar, and whoever adds to a file of notes, or writes that again, for as long as that takes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

from keytrail import native

if TYPE_CHECKING:
    from pathlib import Path

_GLANCE: Final = 0.002
_MOMENT: Final = 0.05
"""Seconds, longer than somebody who only looks has a lock."""


def hold(path: Path) -> int | None:
    """Return a descriptor that holds a closed segment, which counts as open for as long.

    ``None`` where it is no longer there, or somebody's who writes, seals or deletes it. Whoever
    looks whether it is closed has it for a moment: that is waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    if locks(descriptor, _MOMENT) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None


def release(descriptor: int) -> None:
    """Give a lock back and close the file; a child that was forked meanwhile does not keep it."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def locks(descriptor: int, seconds: float) -> bool:
    """Take the exclusive lock; return whether that was possible in time."""
    deadline = time.monotonic() + seconds
    while not _locks_at_once(descriptor):
        if time.monotonic() >= deadline:
            return False
        native.sleep(_GLANCE)
    return True


def _locks_at_once(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_locked(descriptor: int) -> bool:
    """Return whether another open file holds the exclusive lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
