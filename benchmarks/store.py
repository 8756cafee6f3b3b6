"""The store with millions of sealed uses, whole processes: ``python -m benchmarks.store``.

Prints Markdown, or JSON with ``--json``. Ten million uses need 2 GB of disk for a while.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track

from benchmarks import machine
from benchmarks.commands import Run, command, environ, kept_open, run
from benchmarks.uses import write_journal
from keytrail.cli.signing import signer
from keytrail.settings import Settings
from keytrail.store import manifest, sealed
from keytrail.store.ledger import opened
from keytrail.store.live import Flaws
from keytrail.store.reading import SEALING_MEMORY, connect, sealed_rows
from keytrail.store.sealing import DAY

MILLION = 1_000_000
RUNS = 7
NEWEST = 1000
PACKAGES = ("duckdb",)


@dataclass(frozen=True, slots=True)
class Taken:
    """Several runs of one command; medians, and the most memory of any."""

    what: str
    uses: int
    seconds: float
    least_seconds: float
    cpu_seconds: float
    peak_bytes: int
    bytes_per_use: float


def main() -> None:
    """Fill a store, ask it, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--uses", type=int, default=MILLION, help="of one day")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    taken = list(measure(options.uses, options.days, options.runs))
    measured_on = machine.describe(PACKAGES)
    if options.json:
        print(json.dumps({"machine": measured_on, "taken": [asdict(one) for one in taken]}))
    else:
        print(f"{table(taken)}\n\n{measured_on}.")


def measure(uses: int, days: int, runs: int) -> Iterator[Taken]:
    """Ask a journal of ``uses``, seal it, ask again, and once more with so many ``days`` of it."""
    with TemporaryDirectory() as directory:
        home = Path(directory)
        _apart(_write, home, uses)
        size = sum(path.stat().st_size for path in home.glob("live/*/*.ndjson"))
        with kept_open(home):
            yield from _asked(home, "unsealed", uses, size, runs)
        yield _taken("seal", uses, size, [run(home, "seal")])
        yield from _asked(home, "sealed", uses, _sealed_bytes(home), runs)
        for day in track(range(1, days), "more days", console=Console(stderr=True)):
            _apart(_copy_day, home, day)
        yield from _asked(home, "sealed", uses * days, _sealed_bytes(home), runs)


def _apart(work: Callable[[Path, int], None], home: Path, number: int) -> None:
    """Work in a process of its own: the kernel counts a parent's memory as its children's peak.

    Raises:
        SystemExit: it failed.
    """
    process = get_context("spawn").Process(target=work, args=(home, number))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} ended with {process.exitcode}")


def _write(home: Path, uses: int) -> None:
    for _ in write_journal(home, uses):
        pass


def _sealed_bytes(home: Path) -> int:
    return sum(file.bytes for file in manifest.read(home).files)


def _asked(home: Path, state: str, uses: int, size: int, runs: int) -> Iterator[Taken]:
    answer = subprocess.run(
        command(home, "keys", "--format", "json"),
        check=True,
        env=environ(),
        stdout=subprocess.PIPE,
    ).stdout
    rows = json.loads(answer)["rows"]
    if (counted := sum(row["uses"] for row in rows)) != uses:
        raise SystemExit(f"keytrail keys counted {counted} of {uses} uses")
    newest = ("uses", "--key", rows[0]["key"], "--limit", str(NEWEST), "--format", "ndjson")
    rare = min(rows, key=lambda row: row["uses"])["key"]
    week = ("usage", "--every", "hour", "--since", _a_week_before(rows[0]["last_use"]))
    for what, arguments in (
        ("keys", ("keys",)),
        (f"newest {NEWEST:,} uses of a key", newest),
        ("leak of a rare key", ("leak", "--key", rare, "--format", "json")),
        ("hourly usage of a week", (*week, "--format", "csv")),
    ):
        asking = track(range(runs), f"{what}, {uses:,} {state}", console=Console(stderr=True))
        yield _taken(f"{what}, {state}", uses, size, [run(home, *arguments) for _ in asking])


def _a_week_before(last_use: str) -> str:
    day = datetime.fromisoformat(last_use[:10]) - timedelta(days=7)
    return day.date().isoformat()


def _taken(what: str, uses: int, size: int, runs: Sequence[Run]) -> Taken:
    return Taken(
        what=what,
        uses=uses,
        seconds=median(one.seconds for one in runs),
        least_seconds=min(one.seconds for one in runs),
        cpu_seconds=median(one.cpu_seconds for one in runs),
        peak_bytes=max(one.peak_bytes for one in runs),
        bytes_per_use=size / uses,
    )


def _copy_day(home: Path, day: int) -> None:
    """Seal the fullest day's uses once more, so many days earlier and under ids of their own."""
    first = max(manifest.read(home).files, key=lambda file: (file.uses, file.first))
    moved = (
        "SELECT * EXCLUDE (filename) REPLACE "
        f"(time - {day * DAY} AS time, md5(trace_id || '{day}') AS trace_id, "
        f"md5(span_id || '{day}')[:16] AS span_id, "
        f"md5(parent_span_id || '{day}')[:16] AS parent_span_id) "
        f"FROM ({sealed_rows([str(home / first.path)])}) WHERE record IS NULL"
    )
    name = time.strftime("%Y-%m-%d", time.gmtime(first.first // 10**9 - day * 86_400))
    with (
        opened(home, signer(Settings(home=home))) as ledger,
        TemporaryDirectory() as spill,
        closing(connect(spill, SEALING_MEMORY)) as connection,
    ):
        file = sealed.write(connection, ledger, name, moved, Flaws(0, 0))
        ledger.commit("seal", [file] if file is not None else [])


def table(taken: Sequence[Taken]) -> str:
    """Return every figure as Markdown."""
    lines = [
        "| | uses | median | least | CPU | peak memory | bytes a use |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.what} | {one.uses:,} | {one.seconds:.2f} s | {one.least_seconds:.2f} s "
        f"| {one.cpu_seconds:.2f} s | {one.peak_bytes / 2**20:,.0f} MiB | {one.bytes_per_use:.1f} |"
        for one in taken
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
