"""Whether a Collector has what keytrail's configuration needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytrail.collector.components import Components

_NAME = "collector"
_HINT = "build one with `keytrail collector show builder`, or take otelcol-contrib"


def checks(given: Path) -> Iterator[Check]:
    """Check a Collector, or what its command ``components`` printed into a file."""
    from keytrail.collector import components, rendering
    from keytrail.collector.errors import CollectorError

    try:
        there = _components(given)
        part = rendering.standalone()
    except (CollectorError, OSError, UnicodeDecodeError) as error:
        yield Check(_NAME, "fail", f"{given} cannot be read: {error}")
        return
    lacking = components.missing(part, there)
    for one in lacking:
        yield Check(_NAME, "fail", f"{given} lacks {one}", _HINT)
    if not lacking:
        yield Check(_NAME, "ok", f"{given}, version {there.version}, has every component")


def _components(given: Path) -> Components:
    """Ask a program, read any other file."""
    from keytrail.collector import components, program

    if os.access(given, os.X_OK):
        return program.list_components(given)
    return components.read(given.read_text())
