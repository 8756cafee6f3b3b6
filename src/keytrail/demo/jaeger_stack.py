"""The programs of the demo: a real Jaeger, and a Collector that sends the audit to it."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keytrail.collector import files
from keytrail.demo import services
from keytrail.demo.errors import DemoError
from keytrail.demo.jaeger_api import DIRECT, Jaeger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from keytrail.demo.stage import Stage

_JAEGER: Final = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query:
    storage: {{traces: kept}}
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{grpc}"}}
  jaeger_storage: {{backends: {{kept: {storage}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: kept}}}}
"""
IN_MEMORY: Final = "{memory: {max_traces: 200000}}"
_MOST_PORTS: Final = 7


def jaeger_config(query: int, grpc: int, otlp: int, storage: str = IN_MEMORY) -> str:
    """Return the configuration of a Jaeger that takes OTLP/HTTP and answers at these ports.

    ``storage`` is a backend of its ``jaeger_storage``.
    """
    return _JAEGER.format(query=query, grpc=grpc, otlp=otlp, storage=storage)


@contextmanager
def stack(stage: Stage, pepper: str) -> Iterator[tuple[Jaeger, str]]:
    """Run Jaeger and a Collector that sends the audit to it; yield both ends.

    Raises:
        DemoError: one is not built, or did not start.

    """
    query, grpc, otlp, http, collector_grpc, metrics, ordinary = services.free_ports(_MOST_PORTS)
    config = stage.directory / "jaeger.yaml"
    config.write_text(jaeger_config(query, grpc, otlp))
    environ = {
        "KEYTRAIL_PEPPER": pepper,
        "KEYTRAIL_DIR": str((stage.directory / "collector").resolve()),
        "KEYTRAIL_HTTP_PORT": str(http),
        "KEYTRAIL_GRPC_PORT": str(collector_grpc),
        "KEYTRAIL_METRICS_ENDPOINT": f"127.0.0.1:{metrics}",
        "KEYTRAIL_JAEGER_ENDPOINT": f"http://127.0.0.1:{otlp}",
        "KEYTRAIL_ORDINARY_ENDPOINT": f"http://127.0.0.1:{ordinary}",
    }
    ours = [files.directory() / "standalone.yaml", files.directory() / "backends" / "jaeger.yaml"]
    quiet = "yaml:service::telemetry::metrics::level: none"
    options = [option for one in (*ours, quiet) for option in ("--config", str(one))]
    with ExitStack() as running:
        jaeger = [_built("jaeger", "KEYTRAIL_JAEGER"), "--config", f"file:{config.resolve()}"]
        sampler = {"OTEL_TRACES_SAMPLER": "always_off"}
        running.enter_context(_program("jaeger", jaeger, sampler, stage))
        _await(query, stage.logs / "jaeger.log")
        collector = [_built("keytrail-otelcol", "KEYTRAIL_OTELCOL"), *options]
        running.enter_context(_program("collector", collector, environ, stage))
        _await(http, stage.logs / "collector.log")
        yield Jaeger(query), f"http://127.0.0.1:{http}"


def _built(name: str, variable: str) -> str:
    program = Path(os.environ.get(variable, f"build/{name}"))
    if not program.is_file():
        raise DemoError(f"{program} is not built\nhint: make jaeger-demo builds it, or {variable}")
    return str(program.resolve())


@contextmanager
def _program(
    name: str, command: Sequence[str], environ: Mapping[str, str], stage: Stage
) -> Iterator[None]:
    with (stage.logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - what we built
            command, env={**os.environ, **environ}, stdout=log, stderr=log, cwd=stage.directory
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(services.STOP_TIMEOUT)


def _await(port: int, log: Path) -> None:
    """Wait until a server has answered anything at all."""
    deadline = time.monotonic() + services.START_TIMEOUT
    while not _answers(port):
        if time.monotonic() > deadline:
            raise DemoError(f"no answer at port {port}{services.last_words(log)}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        DIRECT.open(f"http://127.0.0.1:{port}/", timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
