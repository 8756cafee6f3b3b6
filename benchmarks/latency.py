"""Latency with a dead endpoint beside a live one: ``python -m benchmarks.latency``.

Three equal services deliver every use: one to a sink, one to a port that accepts and never answers,
and a *twin* of the first, which shows the noise. Prints Markdown, or JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from benchmarks import machine, traffic
from benchmarks.peers import answering

PACKAGES = ("opentelemetry-sdk", "opentelemetry-instrumentation", "fastapi", "uvicorn")
SIDES = ("alive", "dead", "twin")
_PEPPER = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A side's 99th percentile over that of the live one: median of the rounds, and quartiles."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of the live side, and how the others compare to it round by round."""

    alive_p50: float
    alive_p99: float
    dead: Ratio
    twin: Ratio


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--calls", type=int, default=1000, help="of each side in a round")
    parser.add_argument("--json", action="store_true", help="print seconds as JSON")
    options = parser.parse_args()
    found = measure(options.rounds, options.calls)
    if options.json:
        json.dump(asdict(found), sys.stdout)
        print()
        return
    print(
        "| endpoint | p99 of a request, beside the live endpoint's |\n|---|---|\n"
        f"| accepts and never answers | {_shown(found.dead)} |\n"
        f"| alive (twin: the noise) | {_shown(found.twin)} |\n\n"
        f"Alive: p50 {found.alive_p50 * 1e3:.2f} ms, p99 {found.alive_p99 * 1e3:.2f} ms. "
        f"{machine.describe(PACKAGES)}."
    )


def measure(rounds: int, calls: int) -> Latency:
    """Return what ``rounds`` rounds, two at least, of ``calls`` requests to each side say."""
    with ExitStack() as running:
        sink = running.enter_context(answering())
        dead = running.enter_context(_never_answering())
        endpoints = {"alive": sink, "dead": dead, "twin": sink}
        services = {
            side: running.enter_context(_service(endpoint)) for side, endpoint in endpoints.items()
        }
        _round(services, calls)
        found = [_round(services, calls) for _ in range(rounds)]
    everything = sorted(seconds for one in found for seconds in one["alive"])
    return Latency(
        alive_p50=median(everything),
        alive_p99=_p99(everything),
        dead=_ratio([_p99(one["dead"]) / _p99(one["alive"]) for one in found]),
        twin=_ratio([_p99(one["twin"]) / _p99(one["alive"]) for one in found]),
    )


def _round(services: dict[str, HTTPConnection], calls: int) -> dict[str, list[float]]:
    """Let the sides take turns call by call, there and back: what disturbs one disturbs all."""
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for number, key in enumerate(traffic.keys(calls, keyed=True)):
        for side in SIDES if number % 2 else reversed(SIDES):
            seconds[side].append(_call(services[side], key))
    return seconds


def _call(connection: HTTPConnection, key: str | None) -> float:
    began = time.perf_counter()
    connection.request("GET", traffic.PATH, headers=traffic.headers(key))
    connection.getresponse().read()
    return time.perf_counter() - began


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def _ratio(ratios: list[float]) -> Ratio:
    lower, middle, upper = quantiles(ratios, n=4, method="inclusive")
    return Ratio(middle, lower, upper)


def _shown(ratio: Ratio) -> str:
    return f"{ratio.median - 1:+.1%} ({ratio.lower - 1:+.1%} to {ratio.upper - 1:+.1%})"


@contextmanager
def _never_answering() -> Iterator[str]:
    """Listen, so that the kernel accepts connections, and say nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def _service(endpoint: str) -> Iterator[HTTPConnection]:
    """Run a service that delivers to ``endpoint``, and return a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with TemporaryDirectory() as home:
        environ = {
            **os.environ,
            "KEYTRAIL_HOME": home,
            "KEYTRAIL_PEPPER": _PEPPER,
            "KEYTRAIL_OTLP_ENDPOINT": endpoint,
            "KEYTRAIL_OTLP_TIMEOUT": "2",
            "KEYTRAIL_SHUTDOWN_TIMEOUT": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.latency_service", str(port)],
            env=environ,
            cwd=Path(__file__).parents[1],
        )
        try:
            yield _connected(port)
        finally:
            process.terminate()
            process.wait(60)


def _connected(port: int) -> HTTPConnection:
    deadline = time.monotonic() + 60
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return connection


if __name__ == "__main__":
    main()
