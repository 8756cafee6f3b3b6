"""Real backends as processes, which spans reach through the Collector."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from keytrail.collector import files
from keytrail.demo.jaeger_stack import IN_MEMORY, jaeger_config
from support.otelcol import JAEGER, binary, collector, post
from support.services import clean_environ, free_port
from support.waiting import eventually

STORAGES = {
    "memory": IN_MEMORY,
    "badger": "{badger: {ephemeral: true}}",
}


@contextmanager
def jaeger(directory: Path, storage: str = STORAGES["memory"]) -> Iterator[tuple[str, str]]:
    """Run Jaeger; yield the address of its query API, and where it takes OTLP/HTTP."""
    query, grpc, otlp = free_port(), free_port(), free_port()
    config = directory / "jaeger.yaml"
    config.write_text(jaeger_config(query, grpc, otlp, storage))
    command = [str(binary(JAEGER, "make jaeger-demo")), "--config", f"file:{config}"]
    with (directory / "jaeger.log").open("wb") as log:
        environ = clean_environ(OTEL_TRACES_SAMPLER="always_off")
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=directory)
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{query}/api/services"))
        yield f"jaeger+http://127.0.0.1:{query}", f"http://127.0.0.1:{otlp}"
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def behind_a_collector(directory: Path, backend: str, *more: Path, **environ: str) -> Iterator[int]:
    """Run a Collector with our configuration for ``backend``, and yield its port."""
    ours = files.directory()
    configs = [ours / "standalone.yaml", ours / "backends" / f"{backend}.yaml", *more]
    with collector(directory, configs, **environ) as running:
        yield running.port


def send(port: int, requests: Sequence[bytes]) -> None:
    """Send OTLP requests to a Collector."""
    assert [post(port, "/v1/traces", request) for request in requests] == [200] * len(requests)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return "data" in json.load(answer)
    except (OSError, ValueError):
        return False
