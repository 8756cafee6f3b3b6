"""Beside Datadog's tracer, which puts itself into the same libraries, before keytrail or after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.cases import F1, K1, PEPPER
from support.journals import uses_in
from support.servers import Server
from support.services import APPS, clean_environ

STAND_IN = Path(__file__).parents[1] / "leaks" / "without"
"""What is called keytrail where the service runs without it."""
VOLATILE = ("_dd.p.tid", "runtime-id", "process_id")


def _run(order: str, url: str, spans: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "beside_datadog.py", order, url, K1, str(spans)],
        env=clean_environ(
            DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
            DD_REMOTE_CONFIGURATION_ENABLED="false",
            KEYTRAIL_PEPPER=PEPPER,
            **environ,
        ),
        cwd=APPS,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _spans(file: Path) -> list[Any]:
    """Return what Datadog's tracer would have sent, but for what is new in every process."""
    told = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        (span, {name: tag for name, tag in tags.items() if not name.startswith(VOLATILE)})
        for span, tags in told
    ]


@pytest.mark.parametrize("order", ["datadog,sdk,keytrail", "sdk,keytrail,datadog"])
def test_each_sees_what_it_would_see_alone(order: str, tmp_path: Path, server: Server) -> None:
    """Datadog's spans are the same with keytrail and without, and keytrail's uses are complete."""
    alone = _run(order, server.url, tmp_path / "alone", PYTHONPATH=str(STAND_IN))
    beside = _run(order, server.url, tmp_path / "beside", KEYTRAIL_HOME=str(tmp_path / "home"))
    assert [(done.stdout, done.returncode) for done in (alone, beside)] == [("answered", 0)] * 2
    assert _spans(tmp_path / "beside") == _spans(tmp_path / "alone")
    assert {span[0] for span, _ in _spans(tmp_path / "alone")} >= {
        "flask.request",
        "requests.request",
        "http.request",
        "aiohttp.request",
    }
    uses = uses_in(tmp_path / "home")
    assert [(use["direction"], use["path"], use["status"], use["key"]) for use in uses] == [
        ("incoming", "/asked", 200, F1),
        ("outgoing", "/requests", 200, F1),
        ("outgoing", "/httpx", 200, F1),
        ("outgoing", "/aiohttp", 200, F1),
    ]
    assert {use["trace_id"] for use in uses} == {uses[0]["trace_id"]}
    assert "fault in" not in beside.stderr
    assert K1 not in beside.stderr


def test_datadog_as_the_provider_of_opentelemetry_is_named(tmp_path: Path, server: Server) -> None:
    """Its spans are not the SDK's: what goes out is a use, and the log says what is not seen."""
    home = tmp_path / "home"
    done = _run(
        "datadog,keytrail",
        server.url,
        tmp_path / "spans",
        KEYTRAIL_HOME=str(home),
        DD_TRACE_OTEL_ENABLED="true",
    )
    assert (done.stdout, done.returncode) == ("answered", 0), done.stderr
    assert "is not the OpenTelemetry SDK's: no incoming key is seen" in done.stderr
    assert [(use["path"], use["key"], use["sampled"]) for use in uses_in(home)] == [
        ("/requests", F1, False),
        ("/httpx", F1, False),
        ("/aiohttp", F1, False),
    ]
    assert K1 not in done.stderr
