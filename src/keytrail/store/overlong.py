"""Segments with a line that is longer than DuckDB reads, such as the zeros of a power cut."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST: Final = 16 * 1024 * 1024
"""Bytes of a line that DuckDB reads."""


def replaced(paths: Sequence[str], spill: str) -> dict[str, str]:
    """Return, for each of ``paths``, where to read it: its copy without overlong lines, or itself.

    A copy stands in ``spill``, with an empty object in place of each overlong line.

    Raises:
        OSError: a segment cannot be read, or the copy not be written.
    """
    return {
        path: _copy(path, Path(spill) / f"{number}.ndjson") if _has_overlong(path) else path
        for number, path in enumerate(paths)
    }


def _has_overlong(path: str) -> bool:
    with open(path, "rb") as segment:
        if not segment.seek(0, 2) > MOST:
            return False
        with mmap.mmap(segment.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return any(end - begin >= MOST for begin, end in _lines(text))


def _lines(text: mmap.mmap) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end + 1
        yield begin, end
        begin = end


def _copy(path: str, copy: Path) -> str:
    with (
        open(path, "rb") as segment,
        copy.open("wb") as short,
        mmap.mmap(segment.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        _write_short(text, short)
    return str(copy)


def _write_short(text: mmap.mmap, short: BinaryIO) -> None:
    for begin, end in _lines(text):
        if end - begin < MOST:
            short.write(text[begin:end])
        elif text[end - 1 : end] == b"\n":
            short.write(b"{}\n")
        else:
            short.write(b"{")
