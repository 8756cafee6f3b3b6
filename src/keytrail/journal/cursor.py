"""How far a segment has been delivered: its sidecar ``<segment>.cursor``.

A segment with a sidecar is meant for delivery; one without is the embedded store's. Who delivers
holds an exclusive ``flock`` on the sidecar, so that one process at a time does. It holds the offset
of the first line that is not confirmed: twenty digits and a newline, overwritten in place. Whoever
deletes the segment writes why behind them, for the process that answers for its delivery.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final

from keytrail.journal.lock import is_locked, locks

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS: Final = 20
_MOST_OF_A_REASON: Final = 64


def sidecar(segment: Path) -> Path:
    """Return where the cursor of ``segment`` stands."""
    return segment.with_name(segment.name + ".cursor")


class Cursor:
    """The sidecar of one segment, held by this process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take over an open, locked sidecar; use :meth:`create` or :meth:`take`."""
        self.path = path
        self._descriptor = descriptor
        text = os.pread(descriptor, _DIGITS, 0)
        self.offset = int(text) if text.isdigit() else 0

    @classmethod
    def create(cls, segment: Path) -> Cursor:
        """Create and hold the sidecar of a segment that this process has just begun.

        Raises:
            OSError: it cannot be written, or another process was quicker.

        """
        path = sidecar(segment)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, 0o600)
        return cls(path, _locked(descriptor))

    @classmethod
    def take(cls, segment: Path) -> Cursor | None:
        """Hold the sidecar of ``segment``; ``None`` where it has none or another process has it."""
        path = sidecar(segment)
        try:
            return cls(path, _locked(os.open(path, os.O_RDWR)))
        except OSError:
            return None

    def advance(self, offset: int) -> None:
        """Confirm everything before ``offset``.

        Raises:
            OSError: the disk did not take it; the old offset stands.

        """
        if offset != self.offset:
            os.pwrite(self._descriptor, b"%0*d\n" % (_DIGITS, offset), 0)
            self.offset = offset

    @property
    def parting(self) -> str:
        """Why the segment was deleted, by :func:`say_why`; empty where nobody said."""
        return os.pread(self._descriptor, _MOST_OF_A_REASON, _DIGITS + 1).decode("latin-1").strip()

    def close(self) -> None:
        """Let go of the sidecar. In a forked child the parent's lock stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's

    def remove(self) -> None:
        """Delete the sidecar and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()


def _locked(descriptor: int) -> int:
    if not locks(descriptor, 0):
        os.close(descriptor)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    return descriptor


def is_taken(segment: Path) -> bool:
    """Return whether a living process answers for the delivery of ``segment``."""
    try:
        descriptor = os.open(sidecar(segment), os.O_RDWR)
    except OSError:
        return False
    try:
        return is_locked(descriptor)
    finally:
        os.close(descriptor)


def say_why(segment: Path, reason: str) -> None:
    """Tell the process that answers for its delivery why ``segment`` is about to be deleted.

    Where the disk does not take that, it goes all the same: it may have to make room there.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(sidecar(segment), os.O_WRONLY)
        try:
            os.pwrite(descriptor, b"%s\n" % reason.encode("ascii"), _DIGITS + 1)
        finally:
            os.close(descriptor)


def confirmed(segment: Path) -> int:
    """Return the offset up to which ``segment`` has been delivered; 0 without a sidecar."""
    try:
        text = sidecar(segment).read_bytes()[:_DIGITS].strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
