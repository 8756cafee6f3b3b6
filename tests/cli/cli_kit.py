"""Runs the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KEYTRAIL = Path(sys.executable).with_name("keytrail")
_KEPT = ("PATH", "KEYTRAIL_HOME", "LANG")


def environment(**variables: str) -> dict[str, str]:
    """Return an environment without OTEL_* and KEYTRAIL_* but for the home and ``variables``."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | variables


def keytrail(
    *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Return the finished process of ``keytrail`` with ``arguments``."""
    return subprocess.run(
        [str(KEYTRAIL), *arguments],
        input=stdin.encode(),
        capture_output=True,
        env=environment(**variables),
        timeout=240,
        check=False,
    )
