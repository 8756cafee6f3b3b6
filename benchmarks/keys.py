"""``keytrail keys`` over a million unsealed uses, the whole process: ``python -m benchmarks.keys``.

Prints Markdown, or JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress, track

from benchmarks import machine
from benchmarks.uses import write_journal

_MILLION = 1_000_000
_RUNS = 7
_PACKAGES = ("duckdb",)
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the kernel tells a process's peak memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """One ``keytrail keys``, from its start to its end."""

    seconds: float
    cpu_seconds: float
    """Of all its threads: what the seconds do not owe to whatever else the machine was doing."""
    peak_bytes: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the uses, ask which keys were used, several times, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=__doc__)
    parser.add_argument("--uses", type=int, default=_MILLION)
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as home:
        _write(Path(home), options.uses)
        size = sum(segment.stat().st_size for segment in Path(home).glob("live/*/*.ndjson"))
        _check(home, options.uses)
        asking = track(range(options.runs), "keytrail keys", console=Console(stderr=True))
        runs = [_ask(home) for _ in asking]
    measured_on = machine.describe(_PACKAGES)
    if options.json:
        found = {"machine": measured_on, "uses": options.uses, "journal_bytes": size}
        print(json.dumps({**found, "runs": [*map(asdict, runs)]}))
    else:
        print(_markdown(options.uses, size, runs, measured_on))


def _write(home: Path, uses: int) -> None:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Writing uses", total=uses)
        for written in write_journal(home, uses):
            progress.advance(task, written)


def _check(home: str, uses: int) -> None:
    """Stop where the answer is not what was written; a wrong one is no figure.

    Raises:
        SystemExit: the uses of all keys do not add up.
    """
    command = [*_command(home), "--format", "json"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    counted = sum(row["uses"] for row in json.loads(answer)["rows"])
    if counted != uses:
        raise SystemExit(f"keytrail keys counted {counted} of {uses} uses")


def _ask(home: str) -> Run:
    begin = time.perf_counter()
    process = subprocess.Popen(_command(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"keytrail keys ended with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_UNIT)


def _command(home: str) -> list[str]:
    return [str(Path(sys.executable).with_name("keytrail")), "keys", "--home", home]


def _markdown(uses: int, size: int, runs: Sequence[Run], measured_on: str) -> str:
    seconds = [run.seconds for run in runs]
    cpu = median(run.cpu_seconds for run in runs)
    peak = max(run.peak_bytes for run in runs)
    return "\n".join(
        [
            "| `keytrail keys` over | journal | median | least … most | CPU | peak memory |",
            "|--:|--:|--:|--:|--:|--:|",
            f"| {uses:,} unsealed uses | {size / 1e6:,.0f} MB | {median(seconds):.2f} s "
            f"| {min(seconds):.2f} … {max(seconds):.2f} s | {cpu:.2f} s "
            f"| {peak / 2**20:,.0f} MiB |",
            "",
            f"Whole processes, {len(runs)} of them. {measured_on}.",
        ]
    )


if __name__ == "__main__":
    main()
