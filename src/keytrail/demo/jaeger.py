"""``make jaeger-demo``: the demo's services, a Collector, a real Jaeger, and the searches there."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from keytrail import semconv
from keytrail.capture.pepper import load_peppers
from keytrail.collector import files
from keytrail.demo import check, services
from keytrail.demo.cast import assemble
from keytrail.demo.errors import DemoError
from keytrail.demo.play import perform
from keytrail.demo.stage import Stage
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from keytrail.demo.check import Counted

HASH: Final = semconv.KEY_HASH
_JAEGER: Final = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{grpc}"}}
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: 200000}}}}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: memory}}}}
"""
_PATIENCE: Final = 60.0
_MOST_TRACES: Final = 100_000
_MOST_PORTS: Final = 7
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Jaeger:
    """Jaeger's query API, as its search page uses it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def services(self) -> list[str]:
        """Return the services that Jaeger has spans of."""
        return sorted(self._ask("/api/services", {}) or [])

    def search(self, service: str, name: str, value: str) -> str:
        """Return the query of a search by one attribute: Jaeger's page and its API share it."""
        now = time.time_ns() // 1000
        return urlencode(
            {
                "service": service,
                "tags": json.dumps({name: value}, separators=(",", ":")),
                "limit": _MOST_TRACES,
                "start": now - 3_600_000_000,
                "end": now + 60_000_000,
            }
        )

    def uses(self, name: str, value: str) -> Counter[Counted]:
        """Return what has an attribute, over all services; a search finds whole traces."""
        found: dict[tuple[str, str], Counted] = {}
        for service in self.services():
            query = self.search(service, name, value)
            for trace in self._ask(f"/api/traces?{query}&raw=true", []):
                for span in trace["spans"]:
                    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
                    if tags.get(name) == value:
                        process = trace["processes"][span["processID"]]
                        found[trace["traceID"], span["spanID"]] = _use(tags, process)
        return Counter(found.values())

    def _ask(self, path: str, empty: Any) -> Any:
        with _DIRECT.open(self.url + path, timeout=30) as answer:
            return json.load(answer)["data"] or empty


def _use(tags: Mapping[str, Any], process: Mapping[str, Any]) -> Counted:
    status = tags.get("http.response.status_code", tags.get("http.status_code", 0))
    return check.Counted(
        process["serviceName"], tags["keytrail.direction"], tags.get(HASH), int(status)
    )


def run(directory: Path, requests: int, keep: bool, talk: Console, page: Console) -> list[str]:
    """Play, wait until Jaeger has it all, print the searches; return what is wrong, if anything.

    Raises:
        DemoError: a program is missing, or did not start or answer.

    """
    stage, cast = Stage(directory), assemble()
    stage.clear()
    peppers = load_peppers(Settings(home=stage.home)).peppers
    stage.write_inventory(cast, lambda key: peppers.fingerprint(key.reveal().encode()))
    pepper = (stage.home / "pepper").read_text().strip()
    with stack(stage, pepper) as (jaeger, endpoint):
        delivering = {"KEYTRAIL_OTLP_ENDPOINT": endpoint, "KEYTRAIL_SHUTDOWN_TIMEOUT": "15"}
        answers = perform(stage, cast, requests, talk, delivering)
        expected = check.expected_uses(
            answers, cast, lambda key: peppers.fingerprint(key.reveal().encode())
        )
        recorded = _awaited(jaeger, expected)
        wrong = [
            f"{use.service}, {use.direction}, key {str(use.key)[:12]}, status {use.status}: "
            f"{recorded[use]} in Jaeger, {expected[use]} sent"
            for use in sorted(expected | recorded, key=str)
            if expected[use] != recorded[use]
        ]
        if not wrong:
            page.print(f"{expected.total()} uses in Jaeger, equal for every key and status.")
            _print(page, jaeger, peppers.fingerprint(cast.leaked.key.reveal().encode()))
        if keep and not wrong:
            talk.print("Jaeger runs until you press Ctrl-C")
            _until_interrupted()
    return wrong


def _awaited(jaeger: Jaeger, expected: Counter[Counted]) -> Counter[Counted]:
    """Return the uses that Jaeger has, once they are as many as were sent, or after a minute."""
    deadline = time.monotonic() + _PATIENCE
    while (
        found := jaeger.uses(semconv.SCHEMA_VERSION, semconv.SCHEMA)
    ).total() < expected.total() and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _print(page: Console, jaeger: Jaeger, leaked: str) -> None:
    recorded = jaeger.uses(HASH, leaked)
    table = Table("service", "direction", "status", "uses", box=None)
    for use, count in sorted(recorded.items(), key=str):
        table.add_row(use.service, use.direction, str(use.status), str(count))
    page.print(f"\nThose of the leaked key {leaked[:12]}:\n")
    page.print(table)
    page.print("\nIn Jaeger's search page choose the service, and type into Tags:\n")
    page.print(f"  {HASH}={leaked}\n", soft_wrap=True)
    page.print("The search, filled in (a Jaeger with a page shows it; ours has the API only):\n")
    for service in sorted({use.service for use in recorded}):
        query = jaeger.search(service, HASH, leaked)
        page.print(f"  {jaeger.url}/search?{query}", soft_wrap=True, markup=False)
        page.print(f"  curl '{jaeger.url}/api/traces?{query}'\n", soft_wrap=True, markup=False)


@contextmanager
def stack(stage: Stage, pepper: str) -> Iterator[tuple[Jaeger, str]]:
    """Run Jaeger and a Collector that sends the audit to it; yield both ends.

    Raises:
        DemoError: one is not built, or did not start.

    """
    query, grpc, otlp, http, collector_grpc, metrics, ordinary = services.free_ports(_MOST_PORTS)
    config = stage.directory / "jaeger.yaml"
    config.write_text(_JAEGER.format(query=query, grpc=grpc, otlp=otlp))
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
        _DIRECT.open(f"http://127.0.0.1:{port}/", timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass


def main() -> None:
    """Run the demo; exit 1 where Jaeger has not exactly what was sent."""
    parser = argparse.ArgumentParser(prog="make jaeger-demo", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path(".demo-jaeger"))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="leave Jaeger running until Ctrl-C")
    options = parser.parse_args()
    page, talk = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        wrong = run(options.dir, options.requests, options.keep, talk, page)
    except DemoError as error:
        wrong = [str(error)]
    if wrong:
        sys.stderr.write("keytrail: " + "\n".join(wrong) + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
