"""The demo's services through a Collector into a real Jaeger."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.otelcol import COLLECTOR, JAEGER, binary
from support.services import clean_environ


def test_jaeger_has_every_use_and_finds_the_leaked_key(tmp_path: Path) -> None:
    """Services under keytrail, a Collector and Jaeger: every use is there, for every key."""
    environ = clean_environ(
        KEYTRAIL_OTELCOL=str(binary(COLLECTOR, "make collector")),
        KEYTRAIL_JAEGER=str(binary(JAEGER, "make jaeger-demo")),
    )
    done = subprocess.run(
        [sys.executable, "-m", "keytrail.demo.jaeger", "--requests", "300", "--dir", "demo"],
        capture_output=True,
        text=True,
        env=environ,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"\d+ uses in Jaeger, equal for every key and status\.", done.stdout)
    leaked = re.search(r"^  keytrail\.key\.hash=([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    assert leaked is not None
    assert f"/search?service=orders&tags=%7B%22keytrail.key.hash%22%3A%22{leaked[1]}" in done.stdout
