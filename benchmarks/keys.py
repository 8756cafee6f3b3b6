"""``keytrail keys`` over a million unsealed uses, the whole process: ``python -m benchmarks.keys``.

Prints Markdown, or JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress, track

from benchmarks import machine, tables
from benchmarks.commands import Run, command, environ, kept_open, run
from benchmarks.uses import write_journal

MILLION = 1_000_000
RUNS = 7
PACKAGES = ("duckdb",)


@dataclass(frozen=True, slots=True)
class Asked:
    """Several runs over one journal."""

    uses: int
    journal_bytes: int
    runs: tuple[Run, ...]

    @property
    def median_seconds(self) -> float:
        """Seconds of the run in the middle."""
        return median(one.seconds for one in self.runs)

    @property
    def least_and_most_seconds(self) -> tuple[float, float]:
        """Seconds of the shortest and of the longest run."""
        seconds = [one.seconds for one in self.runs]
        return min(seconds), max(seconds)

    @property
    def median_cpu_seconds(self) -> float:
        """CPU seconds of the run in the middle."""
        return median(one.cpu_seconds for one in self.runs)

    @property
    def peak_bytes(self) -> int:
        """The most memory that any run had."""
        return max(one.peak_bytes for one in self.runs)


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
    with TemporaryDirectory() as directory:
        home = Path(directory)
        _write(home, uses)
        size = sum(segment.stat().st_size for segment in home.glob("live/*/*.ndjson"))
        with kept_open(home):
            _check(home, uses)
            asking = track(range(runs), "keytrail keys", console=Console(stderr=True))
            return Asked(uses, size, tuple(run(home, "keys") for _ in asking))


def _write(home: Path, uses: int) -> None:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Writing uses", total=uses)
        for written in write_journal(home, uses):
            progress.advance(task, written)


def _check(home: Path, uses: int) -> None:
    """Stop where the answer is not what was written; a wrong one is no figure.

    Raises:
        SystemExit: the uses of all keys do not add up.
    """
    asking = command(home, "keys", "--format", "json")
    answer = subprocess.run(asking, check=True, env=environ(), stdout=subprocess.PIPE).stdout
    counted = sum(row["uses"] for row in json.loads(answer)["rows"])
    if counted != uses:
        raise SystemExit(f"keytrail keys counted {counted} of {uses} uses")


if __name__ == "__main__":
    main()
