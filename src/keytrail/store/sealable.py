"""The segments that may be sealed: closed, and not meant for delivery."""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from keytrail.journal.cursor import sidecar
from keytrail.journal.lock import hold, release
from keytrail.journal.segment import now, segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytrail.journal.segment import Found

_MOST_SEGMENTS: Final = 200
_MOST_BYTES: Final = 1024 * 1024 * 1024
_WORTHWHILE_BYTES: Final = 64 * 1024 * 1024
_WORTHWHILE_SECONDS: Final = 24 * 3600


def sealable(home: Path) -> list[Found]:
    """Return the closed segments of ``home`` that nobody is to deliver, the oldest first."""
    return [
        found
        for found in segments(home)
        if found.state == "closed" and not sidecar(found.path).exists()
    ]


def is_worthwhile(home: Path) -> bool:
    """Return whether reading what could be sealed takes long, or some of it is a day old."""
    found = sealable(home)
    if sum(segment.size for segment in found) >= _WORTHWHILE_BYTES:
        return True
    oldest = now() - _WORTHWHILE_SECONDS * 10**9
    return any(segment.changed <= oldest for segment in found)


@contextmanager
def held(home: Path) -> Iterator[list[Path]]:
    """Hold as many sealable segments as one sealing may take, in the order in which they changed.

    While they are held, they count as open, so that no service deletes them for want of room.
    """
    with contextlib.ExitStack() as stack:
        taken: list[tuple[int, Path]] = []
        size = 0
        for found in sealable(home):
            if len(taken) == _MOST_SEGMENTS or (taken and size + found.size > _MOST_BYTES):
                break
            if (changed := _hold(found.path, stack)) is not None:
                taken.append((changed, found.path))
                size += found.size
        yield [path for _, path in sorted(taken)]


def _hold(path: Path, stack: contextlib.ExitStack) -> int | None:
    """Return when a segment changed last; ``None`` where it is no longer there or somebody's."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return None
    descriptor = hold(path)
    if descriptor is None:
        return None
    if sidecar(path).exists():
        release(descriptor)
        return None
    stack.callback(release, descriptor)
    return os.fstat(descriptor).st_mtime_ns
