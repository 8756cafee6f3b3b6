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
from typing import NamedTuple

from rich.console import Console
from rich.progress import track

from benchmarks import machine, tables
from benchmarks.measure import LIBRARIES, SCENARIOS, Effort, measure
from benchmarks.pairs import Comparison, compare
from benchmarks.peers import answering

PACKAGES = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "flask",
    "fastapi",
    "requests",
    "httpx",
)
OTHER_PACKAGES = (
    "aiohttp",
    "botocore",
    "django",
    "falcon",
    "grpcio",
    "httpx2",
    "pyramid",
    "starlette",
    "tornado",
    "urllib3",
)


IN_README = ("flask", "fastapi", "requests", "httpx")


class Case(NamedTuple):
    """A library in a scenario."""

    library: str
    scenario: str


@dataclass(frozen=True, slots=True)
class Efforts:
    """How much is measured for each part of the figures."""

    request_thread: Effort
    whole_process: Effort


THOROUGH = Efforts(Effort(rounds=40, calls=60), Effort(rounds=8, calls=512))
_QUICK = Efforts(Effort(rounds=2, calls=4), Effort(rounds=2, calls=4))


@dataclass(frozen=True, slots=True)
class Result:
    """What one library costs in one scenario."""

    library: str
    scenario: str
    request_thread: Comparison
    whole_process: Comparison


def main() -> None:
    """Measure what the arguments name and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--library", action="append", choices=LIBRARIES)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    parser.add_argument("--json", action="store_true", help="print seconds as JSON")
    options = parser.parse_args()
    chosen = cases(options.library, options.scenario)
    results = run(chosen, _QUICK if options.quick else THOROUGH)
    measured_on = machine.describe(PACKAGES)
    if options.json:
        json.dump({"machine": measured_on, "results": [*map(asdict, results)]}, sys.stdout)
        print()
    else:
        print(f"{tables.of_overhead(results)}\n\n{measured_on}.")


def cases(libraries: Sequence[str] | None, scenarios: Sequence[str] | None) -> list[Case]:
    """Return the cases of the named libraries and scenarios (default: all libraries).

    Without a scenario named, all are of the four libraries of the README, and those that have a
    goal of the others.
    """
    return [
        Case(library, scenario)
        for library in libraries or LIBRARIES
        for scenario in scenarios or (SCENARIOS if library in IN_README else tables.GOALS)
    ]


def run(cases: Sequence[Case], efforts: Efforts) -> list[Result]:
    """Return what every one of ``cases`` costs."""
    return list(_results(cases, efforts))


def _results(cases: Sequence[Case], efforts: Efforts) -> Iterator[Result]:
    console = Console(stderr=True)
    with answering() as sink, answering() as api:
        for library, scenario in track(cases, "Measuring", console=console):
            yield _result(library, scenario, efforts, sink, api)


def _result(library: str, scenario: str, efforts: Efforts, sink: str, api: str) -> Result:
    effort = (efforts.request_thread, efforts.whole_process)
    with (
        TemporaryDirectory() as home,
        ProcessPoolExecutor(1, get_context("spawn")) as fresh_process,
    ):
        work = fresh_process.submit(measure, library, scenario, effort, sink, api, Path(home))
        short, long = work.result()
    return Result(
        library,
        scenario,
        compare(short, attrgetter("request_thread")),
        compare(long, attrgetter("whole_process")),
    )


if __name__ == "__main__":
    main()
