"""Added CPU beside stock instrumentation: ``python -m benchmarks.overhead``.

Prints Markdown, or JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track

from benchmarks import machine
from benchmarks.measure import LIBRARIES, SCENARIOS, Effort, measure
from benchmarks.pairs import Added, Comparison, compare
from benchmarks.peers import answering

_PACKAGES = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "flask",
    "fastapi",
    "requests",
    "httpx",
)
_THREAD, _PROCESS = Effort(rounds=40, calls=60), Effort(rounds=8, calls=512)
_QUICK = Effort(rounds=2, calls=4)


@dataclass(frozen=True, slots=True)
class Result:
    """What one library costs in one scenario."""

    library: str
    scenario: str
    request_thread: Comparison
    whole_process: Comparison


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments name and print it."""
    options = _parser().parse_args(arguments)
    cases = [
        (library, scenario)
        for library in options.library or LIBRARIES
        for scenario in options.scenario or SCENARIOS
    ]
    efforts = (_QUICK, _QUICK) if options.quick else (_THREAD, _PROCESS)
    results = list(_results(cases, efforts))
    measured_on = machine.describe(_PACKAGES)
    if options.json:
        json.dump({"machine": measured_on, "results": [*map(asdict, results)]}, sys.stdout)
        print()
    else:
        print(_markdown(results, measured_on))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--library", action="append", choices=LIBRARIES)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    parser.add_argument("--json", action="store_true", help="print seconds as JSON")
    return parser


def _results(cases: Sequence[tuple[str, str]], efforts: tuple[Effort, Effort]) -> Iterator[Result]:
    console = Console(stderr=True)
    with answering() as sink, answering() as api:
        for library, scenario in track(cases, "Measuring", console=console):
            yield _result(library, scenario, efforts, sink, api)


def _result(
    library: str, scenario: str, efforts: tuple[Effort, Effort], sink: str, api: str
) -> Result:
    with (
        TemporaryDirectory() as home,
        ProcessPoolExecutor(1, get_context("spawn")) as fresh_process,
    ):
        work = fresh_process.submit(measure, library, scenario, efforts, sink, api, Path(home))
        short, long = work.result()
    return Result(
        library,
        scenario,
        compare(short, attrgetter("request_thread")),
        compare(long, attrgetter("whole_process")),
    )


def _markdown(results: Sequence[Result], measured_on: str) -> str:
    parts = [_table(title, results) for title in ("request_thread", "whole_process")]
    return "\n\n".join([*parts, f"µs of CPU a call, medians [quartiles]. {measured_on}."])


def _table(part: str, results: Sequence[Result]) -> str:
    lines = [
        f"| {part.replace('_', ' ')} | | stock | keytrail adds | = | stock again adds |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for result in results:
        found: Comparison = getattr(result, part)
        lines.append(
            f"| {result.library} | {result.scenario} | {found.stock * 1e6:.0f} "
            f"| {_added(found.keytrail)} | {found.keytrail.median / found.stock:.1%} "
            f"| {_added(found.twin)} |"
        )
    return "\n".join(lines)


def _added(added: Added) -> str:
    middle, lower, upper = (seconds * 1e6 for seconds in (added.median, added.lower, added.upper))
    return f"{middle:.1f} [{lower:.1f} … {upper:.1f}]"


if __name__ == "__main__":
    main()
