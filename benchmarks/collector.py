"""What keytrail's configuration costs in the Collector: CPU per ordinary span, stage by stage.

    python -m benchmarks.collector

Every variant is the same configuration of a team, which takes OTLP/HTTP and sends it on with the
exporter's defaults, gzip among them. Measured is the CPU time of the Collector's process while it
takes the same requests of ordinary spans. The variants take turns, and each is compared with the
pass-through of its own round.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from keytrail.collector import keeping, modes, rendering, steps, yours
from keytrail.collector.fragment import as_text

COLLECTOR = Path(os.environ.get("KEYTRAIL_OTELCOL", "build/keytrail-otelcol"))
SPANS_IN_REQUEST = 200
SINK = """
import socket, threading
server = socket.create_server(("127.0.0.1", {port}), backlog=64)
def serve(line):
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            more = line.recv(1 << 20)
            if not more: return
            data += more
        head, _, data = data.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
        while len(data) < length:
            data += line.recv(1 << 20)
        data = data[length:]
        line.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
STAGES: dict[str, tuple[str, ...]] = {
    "more pipelines": (keeping.LIMITER,),
    "marking by names": (steps.SPAN_NAMES, steps.NAMES),
    "parting": (modes.PARTING,),
    "the glance": (steps.SCOPES, steps.REDACT, modes.GLANCED),
    "everything": (steps.CLEAN,),
}
"""What each stage adds to those before it, down to all that an ordinary span passes."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bodies = list(requests(options.spans // SPANS_IN_REQUEST))
    with tempfile.TemporaryDirectory() as directory:
        variants = configurations(Path(directory))
        costs: dict[str, list[float]] = {name: [] for name in variants}
        for number in range(options.rounds):
            for name, files in variants.items():
                sys.stderr.write(f"round {number + 1}: {name}\n")
                costs[name].append(cost(files, bodies, Path(directory)))
    report(costs)


def report(costs: dict[str, list[float]]) -> None:
    """Print what each stage costs: medians, and the median of what a round says of it."""
    base = costs["pass-through"]
    before = base
    print(
        f"{'up to and with':20} {'µs/span':>8} {'of it':>6} {'ratio':>6}   lowest and highest ratio"
    )
    for name, values in costs.items():
        ratios = [value / one for value, one in zip(values, base, strict=True)]
        own = [value - one for value, one in zip(values, before, strict=True)]
        print(
            f"{name:20} {statistics.median(values):8.2f} {statistics.median(own):6.2f} "
            f"{statistics.median(ratios):6.2f}   {min(ratios):.2f} to {max(ratios):.2f}"
        )
        before = values


def configurations(directory: Path) -> dict[str, list[Path]]:
    """Return the files of each variant: the team's alone, then with one stage more each time."""
    base = directory / "team.yaml"
    base.write_text(yaml.safe_dump(team()))
    variants = {"pass-through": [base]}
    whole = as_text(rendering.render(yours.read([base]), "in-front"))
    there: set[str] = set()
    for name, more in STAGES.items():
        there |= set(more)
        path = directory / f"{name.replace(' ', '-')}.yaml"
        path.write_text(yaml.safe_dump(only(there, yaml.safe_load(whole))))
        variants[name] = [base, path]
    return variants


def only(there: set[str], config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with no other processors; other connectors part nothing."""
    for name, pipeline in config["service"]["pipelines"].items():
        if name.startswith("traces") and "processors" in pipeline:
            pipeline["processors"] = [one for one in pipeline["processors"] if one in there]
    for name in {modes.PARTING, modes.GLANCED} - there:
        config["connectors"][name]["table"][0]["condition"] = "false"
    return config


def team() -> dict[str, Any]:
    """Return what the Collector does without keytrail."""
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:${env:BENCH_PORT}"}}}},
        "exporters": {"otlp_http": {"endpoint": "http://127.0.0.1:${env:BENCH_SINK}"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}},
        },
    }


def cost(files: list[Path], bodies: list[bytes], directory: Path) -> float:
    """Return the microseconds of CPU that the Collector took for a span."""
    port, sink = free_port(), free_port()
    environ = {
        **os.environ,
        "BENCH_PORT": str(port),
        "BENCH_SINK": str(sink),
        "KEYTRAIL_PEPPER": "0123456789abcdef0123456789abcdef",
        "KEYTRAIL_DIR": str(directory / "state"),
        "KEYTRAIL_METRICS_ENDPOINT": f"127.0.0.1:{free_port()}",
    }
    command = [str(COLLECTOR), *(f"--config={path}" for path in files)]
    with (
        process([sys.executable, "-c", SINK.format(port=sink)], sink, environ),
        process(command, port, environ) as running,
    ):
        send(port, bodies[: len(bodies) // 5])
        settle(running)
        before = cpu_seconds(running)
        send(port, bodies)
        settle(running)
        spent = cpu_seconds(running) - before
    return 1e6 * spent / (len(bodies) * SPANS_IN_REQUEST)


def send(port: int, bodies: list[bytes]) -> None:
    """Send the requests one after the other."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for body in bodies:
        line.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = line.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"the Collector answered {answer.status}")
    line.close()


def settle(running: subprocess.Popen[bytes]) -> None:
    """Wait until the process has nothing more to do."""
    last = -1.0
    while (now := cpu_seconds(running)) - last > 0.02:
        last = now
        time.sleep(0.5)


def cpu_seconds(running: subprocess.Popen[bytes]) -> float:
    """Return the CPU time of a process so far, to the nanosecond: the sum of its threads."""
    threads = Path(f"/proc/{running.pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


@contextmanager
def process(
    command: list[str], port: int, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends; it is ready when it listens."""
    running = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if running.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} did not start") from None
                time.sleep(0.05)
        yield running
    finally:
        running.kill()
        running.wait()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def requests(count: int) -> Iterator[bytes]:
    """Yield requests of ordinary spans of a web service, twelve attributes each, no key."""
    dice = random.Random(7)
    for _ in range(count):
        message = ExportTraceServiceRequest()
        resource = message.resource_spans.add()
        resource.resource.attributes.extend(
            attributes({"service.name": "shop", "telemetry.sdk.language": "java"})
        )
        scope = resource.scope_spans.add()
        scope.scope.name = "io.opentelemetry.netty-4.1"
        for _ in range(SPANS_IN_REQUEST):
            number = dice.randrange(10_000)
            span = scope.spans.add(
                trace_id=dice.randbytes(16),
                span_id=dice.randbytes(8),
                name="GET /orders/{number}",
                kind=dice.choice((2, 3)),
                start_time_unix_nano=1_700_000_000_000_000_000,
                end_time_unix_nano=1_700_000_000_005_000_000,
            )
            span.attributes.extend(
                attributes(
                    {
                        "http.request.method": "GET",
                        "url.scheme": "https",
                        "url.path": f"/orders/{number}",
                        "url.query": f"page={number % 7}&sort=date",
                        "http.route": "/orders/{number}",
                        "http.response.status_code": 200,
                        "network.protocol.version": "1.1",
                        "server.address": "shop.example.com",
                        "server.port": 443,
                        "client.address": f"192.0.2.{number % 255}",
                        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
                        "(KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                        "thread.name": f"worker-{number % 16}",
                    }
                )
            )
        yield message.SerializeToString()


def attributes(values: dict[str, str | int]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [
        KeyValue(
            key=name,
            value=AnyValue(int_value=value)
            if isinstance(value, int)
            else AnyValue(string_value=value),
        )
        for name, value in values.items()
    ]


if __name__ == "__main__":
    main()
