"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def append(path: Path, data: bytes) -> None:
    """Write ``data`` at the end of ``path`` and onto the disk; half of it is taken back.

    Raises:
        OSError: the disk did not take it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Let ``path`` hold ``data`` and nothing else.

    Raises:
        OSError: the disk did not take it; the file is as it was.
    """
    draft = path.with_name(path.name + ".partial")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        _write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    publish(draft, path)


def publish(draft: Path, path: Path) -> None:
    """Give a file that is on the disk its name, and the name onto the disk.

    Raises:
        OSError: it cannot be.
    """
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file's or a directory's content onto the disk.

    Raises:
        OSError: the disk did not take it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
