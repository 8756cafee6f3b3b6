"""Whether a path lies where it outlives its container and the next start."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mounts")
_FLEETING: Final = {
    "tmpfs": "in memory, and is gone after a restart",
    "ramfs": "in memory, and is gone after a restart",
    "overlay": "in the container itself, and dies with it",
    "aufs": "in the container itself, and dies with it",
}


def fleeting(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return where ``path`` lies if it does not last; ``None`` if it does or nobody can tell."""
    return _FLEETING.get(_kind(os.path.realpath(existing(path)), mounts))


def existing(path: Path) -> Path:
    """Return ``path`` or the nearest of its parents that exists."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def _kind(path: str, mounts: Path) -> str:
    """Return the type of the file system that ``path`` is on."""
    best, kind = "", ""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, point, type_, *_ = line.split(" ")
        point = re.sub(r"\\(\d{3})", _unescaped, point)
        if len(point) >= len(best) and _is_within(path, point):
            best, kind = point, type_
    return kind


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))


def _is_within(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
