"""One round: a real service under auto-instrumentation, every request of the tables, all bytes out.

``SERVICES`` has one entry for each server adapter.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from keytrail.leaks import answering, calling, planting
from keytrail.leaks.arriving import CARRIERS, ONLY_IN_CARRIER, Request, with_path
from keytrail.leaks.canary import key_of
from leaks.receivers import Protocol, Received, receiver
from support.cases import PEPPER
from support.services import clean_environ, free_port, running, stop

TESTS = Path(__file__).parents[1]
_UVICORN = [sys.executable, "-m", "uvicorn", "--port"]
SERVICES: dict[str, Callable[[str], list[str]]] = {
    "fastapi": lambda port: [*_UVICORN, port, "leaks.services.fastapi_service:app"],
    "flask": lambda port: [sys.executable, "-m", "leaks.services.flask_service", port],
    "asgi": lambda port: [*_UVICORN, port, "leaks.services.asgi_service:app"],
    "wsgi": lambda port: [sys.executable, "-m", "leaks.services.wsgi_service", port],
}
"""Server adapter → the command of its service on a port."""


@dataclass(frozen=True)
class Round:
    """What a service let out."""

    received: Received
    home: Path
    printed: bytes

    def journal(self) -> list[bytes]:
        """Return every file that keytrail wrote."""
        return [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]

    def own_lines(self) -> bytes:
        """Return what keytrail's logger printed."""
        return b"\n".join(line for line in self.printed.splitlines() if b"keytrail" in line)


def incoming() -> Iterator[tuple[str, str, str]]:
    """Yield (carrier, place, outcome): every place under every outcome, every carrier likewise."""
    for outcome in planting.STATUSES:
        for place in planting.PLACES:
            yield "header", place, outcome
            yield "awkward header", place, outcome
        for carrier in CARRIERS:
            yield carrier, "log exception", outcome
            yield carrier, "exception chain", outcome
    for carrier in ONLY_IN_CARRIER:
        yield carrier, "nowhere", "success"
        yield carrier, "nowhere", "denied"


def outgoing() -> Iterator[tuple[str, str, str]]:
    """Yield (client, carrier, outcome) of every call that can be made."""
    for client in calling.CLIENTS:
        for carrier in calling.CARRIERS:
            for outcome in calling.OUTCOMES:
                if calling.exists(carrier, outcome):
                    yield client, carrier, outcome


def canaries() -> dict[str, str]:
    """Return every key of a round by the place that it is in."""
    keys = {f"incoming {', '.join(parts)}": planting.canary(*parts) for parts in incoming()}
    keys |= {f"outgoing {', '.join(parts)}": calling.canary(*parts) for parts in outgoing()}
    return keys | {"resource": key_of("resource"), "404 path": key_of("404 path")}


def fingerprint(key: str) -> str:
    """Return the fingerprint of ``key`` under the pepper of the services."""
    return hmac.new(PEPPER.encode(), key.encode(), hashlib.sha256).hexdigest()


def arriving() -> Iterator[Request]:
    """Yield a request for each of :func:`incoming`."""
    for carrier, place, outcome in dict.fromkeys(incoming()):
        carry = (CARRIERS | ONLY_IN_CARRIER)[carrier]
        path = "/".join(["/in", *map(quote, (carrier, place, outcome))])
        yield carry(path, planting.canary(carrier, place, outcome))


def _requests() -> Iterator[Request]:
    yield from arriving()
    for parts in outgoing():
        yield Request("/".join(["/out", *map(quote, parts)]))
    yield with_path("/nowhere", key_of("404 path"))


@contextmanager
def service(
    name: str,
    home: Path,
    received: Received,
    others: calling.Addresses,
    *,
    keytrail: bool = True,
    **environ: str,
) -> Iterator[int]:
    """Run a service under ``opentelemetry-instrument``, and yield its port."""
    port = free_port()
    path = [str(TESTS), *([] if keytrail else [str(Path(__file__).parent / "without")])]
    settings = {
        "PYTHONPATH": ":".join(path),
        "ANSWERING": others.answering,
        "SILENT": others.silent,
        "PRINTED": str(home.parent / "printed"),
        "KEYTRAIL_HOME": str(home),
        "KEYTRAIL_PEPPER": PEPPER,
        "KEYTRAIL_COOKIES": "canary",
        "KEYTRAIL_REDACT_LOGS": "true",
        "OTEL_SERVICE_NAME": f"oracle-{name}",
        "OTEL_RESOURCE_ATTRIBUTES": f"app.api_key={key_of('resource')}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": received.protocol,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_BSP_MAX_QUEUE_SIZE": "200000",
        "OTEL_BLRP_MAX_QUEUE_SIZE": "200000",
        "OTEL_METRIC_EXPORT_INTERVAL": "1500",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": ".*",
        **environ,
    }
    instrumented = ["opentelemetry-instrument", *SERVICES[name](str(port))]
    into_file = ["sh", "-c", 'exec "$@" >"$PRINTED" 2>&1', "sh", *instrumented]
    with running(into_file, clean_environ(**settings), port, cwd=TESTS) as process:
        yield port
        stop(process)


def play(name: str, directory: Path, protocol: Protocol = "http/protobuf", **options: Any) -> Round:
    """Send every request to a service of its own, wait for all that it exports, and stop it."""
    home = directory / "home"
    with ExitStack() as stack:
        received = stack.enter_context(receiver(protocol))
        others = stack.enter_context(answering.others())
        port = stack.enter_context(service(name, home, received, others, **options))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda request: send(port, request), _requests()))
        send(port, Request("/finish"))
        received.await_text("traces", b"/finish")
        received.await_text("logs", b"the round is finished")
        received.await_another("metrics")
    return Round(received, home, (directory / "printed").read_bytes())


def send(port: int, request: Request) -> int:
    """Send a request, its bytes as they are, and return the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", request.path, headers=request.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
