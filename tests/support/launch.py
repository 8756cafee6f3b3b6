"""The test services under auto-instrumentation, as a user would start them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.cases import K2, PEPPER
from support.services import clean_environ, free_port, running

COMMANDS = {
    "fastapi": [
        *(sys.executable, "-m", "uvicorn", "fastapi_app:app", "--no-access-log", "--port={port}")
    ],
    "flask": [sys.executable, "flask_app.py", "{port}"],
    "gunicorn": ["gunicorn", "flask_app:app", "--workers=2", "--bind=127.0.0.1:{port}"],
    "gunicorn-uvicorn": [
        *("gunicorn", "fastapi_app:app", "--workers=2", "--bind=127.0.0.1:{port}"),
        "--worker-class=uvicorn.workers.UvicornWorker",
    ],
    "hypercorn": ["hypercorn", "fastapi_app:app", "--bind=127.0.0.1:{port}"],
}
LAUNCHERS = {
    "opentelemetry-instrument": ["opentelemetry-instrument"],
    "keytrail run": ["keytrail", "run", "--"],
    "no instrumentation": [],
}


@dataclass(frozen=True)
class Service:
    """A running test service."""

    url: str
    port: int
    process: subprocess.Popen[str]
    home: Path


@contextmanager
def service(
    framework: str,
    home: Path,
    *,
    endpoint: str | None = None,
    launcher: str = "opentelemetry-instrument",
    arguments: Sequence[str] = (),
    **environ: str,
) -> Iterator[Service]:
    """Run a test service whose ordinary pipeline exports to ``endpoint`` over OTLP/HTTP."""
    port = free_port()
    ordinary = {"OTEL_TRACES_EXPORTER": "none"}
    if endpoint is not None:
        ordinary = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
    settings = {
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": f"test-{framework}",
        "KEYTRAIL_HOME": str(home),
        "KEYTRAIL_PEPPER": PEPPER,
        "OWN_KEY": K2,
        **ordinary,
        **environ,
    }
    server = [part.format(port=port) for part in COMMANDS[framework]]
    command = [*LAUNCHERS[launcher], *server, *arguments]
    with running(command, clean_environ(**settings), port) as process:
        yield Service(f"http://127.0.0.1:{port}", port, process, home)
