"""Journals as tests look at them: the lines, without the reader under test."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


def lines_in(home: Path) -> list[dict[str, Any]]:
    """Return every line of every segment, whole ones only."""
    return [
        json.loads(line)
        for segment in sorted(home.glob("live/*/*.ndjson"))
        for line in _content(segment).splitlines(keepends=True)
        if line.endswith(b"\n")
    ]


def _content(segment: Path) -> bytes:
    try:
        return segment.read_bytes()
    except FileNotFoundError:  # delivered and deleted meanwhile
        return b""


def uses_in(home: Path) -> list[dict[str, Any]]:
    """Return the uses in order of time."""
    uses = [line for line in lines_in(home) if line.get("record") is None]
    return sorted(uses, key=lambda use: use["time"])


def last_uses_in(home: Path) -> list[dict[str, Any]]:
    """Return each use once, by its last line: one that was told while it ran has two."""
    last = {(use["trace_id"], use["span_id"]): use for use in uses_in(home)}
    return list(last.values())


def await_uses(home: Path, number: int, seconds: float = 60) -> list[dict[str, Any]]:
    """Wait until at least ``number`` uses are on disk, and return them."""
    deadline = time.monotonic() + seconds
    while True:
        uses = uses_in(home)
        if len(uses) >= number:
            return uses
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(uses)} uses on disk, {number} expected")
        time.sleep(0.02)
