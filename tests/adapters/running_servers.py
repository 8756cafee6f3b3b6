"""Every server of ``apps/servers.py`` in one process, as users would start it."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from apps.servers import SERVERS
from support.cases import PEPPER
from support.journals import uses_in
from support.services import clean_environ, free_port, running
from support.sink import Sink, SunkSpan, otlp_sink

Found = TypeVar("Found")

MODES = {
    "zero-code": ["opentelemetry-instrument", sys.executable],
    "in code": [sys.executable, "in_code.py"],
}


@dataclass(frozen=True)
class Running:
    """The servers, by name, and what has become of their requests."""

    ports: dict[str, int]
    home: Path
    sink: Sink

    def url(self, server: str) -> str:
        """Return a server's base URL."""
        return f"http://127.0.0.1:{self.ports[server]}"

    def use(
        self, fits: Callable[[dict[str, Any]], bool] = lambda _: True, **columns: Any
    ) -> dict[str, Any]:
        """Wait for the one use that has these columns and ``fits``, and return it."""
        (use,) = await_some(lambda: [u for u in uses_in(self.home) if _has(u, columns) and fits(u)])
        return use

    def span_of(self, use: dict[str, Any]) -> SunkSpan:
        """Wait for the ordinary span of ``use``, and return it."""
        (span,) = await_some(lambda: [s for s in self.sink.spans if s.span_id == use["span_id"]])
        return span


@contextmanager
def running_servers(mode: str, home: Path) -> Iterator[Running]:
    """Run every server until the block ends."""
    ports = {name: free_port() for name in SERVERS}
    arguments = [f"{name}={port}" for name, port in ports.items()]
    with otlp_sink() as sink:
        environ = clean_environ(
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_BSP_SCHEDULE_DELAY="50",
            OTEL_SERVICE_NAME="servers",
            DJANGO_SETTINGS_MODULE="django_app",
            KEYTRAIL_HOME=str(home),
            KEYTRAIL_PEPPER=PEPPER,
        )
        command = [*MODES[mode], "servers.py", *arguments]
        with running(command, environ, next(iter(ports.values()))):
            for port in ports.values():
                await_some(partial(_answers, port))
            yield Running(ports, home, sink)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _has(use: dict[str, Any], columns: dict[str, Any]) -> bool:
    return all(use.get(name) == value for name, value in columns.items())


def await_some(look: Callable[[], Found], seconds: float = 60) -> Found:
    """Wait until ``look`` finds something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found
