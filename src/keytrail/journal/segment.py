"""One append-only file of journal lines, written by one process.

``<home>/live/<utc-day>/<host>-<pid>-<start>.ndjson``, or ``…-<pid>-denied-<start>.ndjson`` for the
uses of strangers (:mod:`keytrail.journal.strangers`), directories 0700 and files 0600 whatever the
umask. Its writer holds an exclusive ``flock`` for as long as it lives, so that *open* (held) and
*closed* (free) are facts, also across containers, where process ids repeat.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from keytrail import native

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LIVE: Final = "live"
SUFFIX: Final = ".ndjson"
_DENIED: Final = "denied"
RECORD_START: Final = b'{"record":'
"""What begins every line that is not a use."""

_LOOKS: Final = 20
_MOMENT: Final = 0.002

State = Literal["open", "closed"]


class UnwrittenError(OSError):
    """Not all lines reached the disk; ``lines`` are those that did not, none of them in part."""

    def __init__(self, lines: Sequence[bytes], error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.lines = list(lines)


class Segment:
    """A segment that this process writes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take over an open, locked file; use :meth:`create`."""
        self.path = path
        self.day = path.parent.name
        self.pid = os.getpid()
        self.size = 0
        self._descriptor = descriptor
        self._torn = False

    @classmethod
    def create(cls, home: Path, now: int, *, strangers: bool = False) -> Segment:
        """Create and lock the segment that begins at ``now`` (Unix nanoseconds).

        Raises:
            OSError: the home cannot be written.

        """
        directory = private_directory(home, LIVE, utc_day(now))
        whose = f"{_DENIED}-" if strangers else ""
        path = directory / f"{host_name()}-{os.getpid()}-{whose}{now}{SUFFIX}"
        opening = path.with_suffix(".opening")  # no segment until it is locked
        descriptor = os.open(opening, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            opening.rename(path)
        except OSError:
            os.close(descriptor)
            opening.unlink(missing_ok=True)
            raise
        return cls(path, descriptor)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write whole lines at the end.

        Raises:
            UnwrittenError: the disk took only some of them; a half line has been taken back.

        """
        data = b"".join([b"\n", *lines] if self._torn else lines)
        written = 0
        try:
            with memoryview(data) as view:
                while written < len(data):
                    written += os.write(self._descriptor, view[written:])
        except OSError as error:
            whole = data.rfind(b"\n", 0, written) + 1
            before = 1 if self._torn and whole else 0
            self._take_back(whole, written)
            raise UnwrittenError(lines[data.count(b"\n", 0, whole) - before :], error) from error
        self._torn = False
        self.size += len(data)

    def _take_back(self, whole: int, written: int) -> None:
        self.size += whole
        if written == whole:
            self._torn = self._torn and not whole
            return
        try:
            os.ftruncate(self._descriptor, self.size)
            self._torn = False
        except OSError:
            self.size += written - whole
            self._torn = True  # the next write begins on a fresh line

    def sync(self) -> None:
        """Have what was written on the medium.

        Raises:
            OSError: it may not be.

        """
        os.fdatasync(self._descriptor)

    def is_gone(self) -> bool:
        """Return whether somebody deleted the file, so that what is written to it is lost."""
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Let go of the file and its lock. In a forked child the parent's lock stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's


@dataclass(frozen=True, slots=True)
class Found:
    """A segment on disk, as anybody sees it."""

    path: Path
    state: State
    size: int
    changed: int
    """When it was written last, Unix nanoseconds."""
    day: str
    start: int
    """When its writer began it, Unix nanoseconds."""


def segments(home: Path) -> list[Found]:
    """Return every segment under ``home``, the oldest first; none where there is no journal."""
    found = []
    for path in live_files(home, SUFFIX):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append(
                Found(
                    path,
                    state(path),
                    status.st_size,
                    status.st_mtime_ns,
                    path.parent.name,
                    _start(path),
                )
            )
    return sorted(found, key=lambda segment: (segment.start, segment.path.name))


def live_files(home: Path, suffix: str) -> list[Path]:
    """Return the files of every day whose names end so; what goes meanwhile may be among them."""
    return [path for day in live_days(home) for path in _listed(day) if path.name.endswith(suffix)]


def live_days(home: Path) -> list[Path]:
    """Return what stands in the directory of days."""
    return _listed(home / LIVE)


def _listed(directory: Path) -> list[Path]:
    """Unlike ``glob``, bear a directory that is removed between being found and being listed."""
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def holds_strangers(path: Path) -> bool:
    """Return whether a segment was begun for strangers alone."""
    return path.stem.split("-")[-2:-1] == [_DENIED]


def state(path: Path) -> State:
    """Return whether the writer of ``path`` lives; another user's segment counts as open.

    Raises:
        FileNotFoundError: there is no such file any more.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return "open"
    try:
        return "open" if is_locked(descriptor) else "closed"
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Return a descriptor that holds a closed segment, which counts as open for as long.

    ``None`` where it is no longer there, or somebody's who writes, seals or deletes it. Whoever
    looks whether it is closed has it for a moment: that is waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    if _locks(descriptor) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None


def _locks(descriptor: int) -> bool:
    for _ in range(_LOOKS):
        if _locks_at_once(descriptor):
            return True
        native.sleep(_MOMENT)
    return False


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


def uses_in(path: Path, offset: int = 0) -> int:
    """Return how many uses stand in whole lines from ``offset`` on."""
    return sum(not line.startswith(RECORD_START) for _, line in whole_lines(path, offset))


def whole_lines(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that have an end, from ``offset`` on, each with where it begins."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if line.endswith(b"\n"):
                yield offset, line
            offset += len(line)


def _start(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def private_directory(home: Path, *names: str) -> Path:
    """Return ``home/names…``, having created what was missing as 0700.

    Raises:
        OSError: it cannot be created.

    """
    path = home
    missing = [home, *home.parents]
    for directory in reversed([step for step in missing if not step.exists()]):
        _create_private(directory)
    for name in names:
        path = path / name
        _create_private(path)
    return path


def _create_private(directory: Path) -> None:
    with contextlib.suppress(FileExistsError):
        directory.mkdir(0o700)
        directory.chmod(0o700)


def utc_day(now: int) -> str:
    """Return the UTC day of ``now`` (Unix nanoseconds) as ``YYYY-MM-DD``."""
    return time.strftime("%Y-%m-%d", time.gmtime(now // 10**9))


def host_name() -> str:
    """Return this machine's name as a file name may hold it."""
    return re.sub(r"[^A-Za-z0-9._]", "_", socket.gethostname())[:64] or "host"


def now() -> int:
    """Return the time, Unix nanoseconds."""
    return time.time_ns()
