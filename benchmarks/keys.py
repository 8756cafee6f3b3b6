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
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress, track

from benchmarks import machine, tables
from benchmarks.uses import write_journal

MILLION = 1_000_000
RUNS = 7
PACKAGES = ("duckdb",)
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the kernel tells a process's peak memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """One ``keytrail keys``, from its start to its end."""

    seconds: float
    cpu_seconds: float
    """Of all its threads: what the seconds do not owe to whatever else the machine was doing."""
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Several runs over one journal."""

    uses: int
    journal_bytes: int
    runs: tuple[Run, ...]

    @property
    def median_seconds(self) -> float:
        """Seconds of the run in the middle."""
        return median(run.seconds for run in self.runs)

    @property
    def least_and_most_seconds(self) -> tuple[float, float]:
        """Seconds of the shortest and of the longest run."""
        seconds = [run.seconds for run in self.runs]
        return min(seconds), max(seconds)

    @property
    def median_cpu_seconds(self) -> float:
        """CPU seconds of the run in the middle."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """The most memory that any run had."""
        return max(run.peak_bytes for run in self.runs)


def main() -> None:
    """Ask which keys were used, several times, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=__doc__)
    parser.add_argument("--uses", type=int, default=MILLION)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    asked = ask(options.uses, options.runs)
    measured_on = machine.describe(PACKAGES)
    if options.json:
        print(json.dumps({"machine": measured_on, **asdict(asked)}))
    else:
        print(f"{tables.of_keys(asked)}\n\n{measured_on}.")


def ask(uses: int, runs: int) -> Asked:
    """Write ``uses`` uses into a home of their own and run ``keytrail keys`` over it.

    Raises:
        SystemExit: it failed, or did not count what was written.
    """
    with TemporaryDirectory() as home:
        _write(Path(home), uses)
        size = sum(segment.stat().st_size for segment in Path(home).glob("live/*/*.ndjson"))
        _check(home, uses)
        asking = track(range(runs), "keytrail keys", console=Console(stderr=True))
        return Asked(uses, size, tuple(_run(home) for _ in asking))


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


def _run(home: str) -> Run:
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


if __name__ == "__main__":
    main()
