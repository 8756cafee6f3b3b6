"""Whatever the sampler, and however it is set: every use is journaled and nothing else changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apps.sampled_app import without_port
from support.cases import PEPPER
from support.journals import uses_in
from support.services import APPS, clean_environ

SEED = "7"
EACH = 60
"""Requests that one run of the application plays; half carry a key, and half of its calls."""

FILE = """
file_format: "1.0"
tracer_provider:
  processors:
    - batch: {schedule_delay: 60000, exporter: {console: {}}}
  sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 0.5}}}}
propagator:
  composite: [{tracecontext: {}}]
"""
ENVIRONMENTS = {
    "1 %, parent-based": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
    },
    "50 %": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"},
}
IN_CODE = [
    f"{kind}:{ratio}:{when}"
    for kind in ("parent", "alone")
    for ratio in ("0", "0.01", "0.5", "1")
    for when in ("early", "late")
]
VOLATILE = {"start_time", "end_time", "timestamp", "service.instance.id"}


def _run(mode: str, home: Path, *arguments: str, **environ: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "sampled_app.py", mode, *arguments],
        cwd=APPS,
        env=clean_environ(
            KEYTRAIL_HOME=str(home),
            KEYTRAIL_PEPPER=PEPPER,
            OTEL_TRACES_EXPORTER="console",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            OTEL_BSP_SCHEDULE_DELAY="60000",
            **environ,
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    console, _, last = ran.stdout.rstrip("\n").rpartition("\n")
    told: dict[str, Any] = json.loads(last)
    called = re.search(r"http://127\.0\.0\.1:(\d+)/called", console)
    text = without_port(console, called[1]) if called else console
    told["spans"] = [_stable(span) for span in (*_objects(text), *told["spans"])]
    return told


def _objects(text: str) -> list[Any]:
    decoder, found, place = json.JSONDecoder(), [], 0
    while (place := text.find("{", place)) >= 0:
        value, place = decoder.raw_decode(text, place)
        found.append(value)
    return found


def _stable(value: Any) -> Any:
    """Leave out what differs from run to run, and what keytrail adds."""
    if isinstance(value, dict):
        return {
            name: _stable(inner)
            for name, inner in value.items()
            if name not in VOLATILE and not name.startswith("keytrail.")
        }
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


def _compare(home: Path, rounds: int, *arguments: str, **environ: str) -> None:
    without = _run("without", home, *arguments, **environ)
    assert uses_in(home) == []
    with_keytrail = _run("with", home, *arguments, **environ)
    assert with_keytrail == without
    assert len(without["seen"]) == rounds * EACH
    uses = Counter(use["direction"] for use in uses_in(home))
    assert uses == {"incoming": rounds * EACH // 2, "outgoing": rounds * EACH // 2}


@pytest.mark.parametrize("sampler", ENVIRONMENTS)
def test_by_environment(sampler: str, tmp_path: Path) -> None:
    """Every keyed request is journaled; spans, ids and flags are as in a run without keytrail."""
    _compare(tmp_path, 1, "auto", SEED, **ENVIRONMENTS[sampler])


def test_by_declarative_file(tmp_path: Path) -> None:
    """The same, where a configuration file sets the SDK up."""
    pytest.importorskip("opentelemetry.configuration", reason="needs SDK 1.44 or newer")
    file = tmp_path / "otel.yaml"
    file.write_text(FILE)
    _compare(tmp_path / "home", 1, "auto", SEED, OTEL_CONFIG_FILE=str(file))


def test_in_code(tmp_path: Path) -> None:
    """The same with one provider after the other, and samplers that are assigned late."""
    _compare(tmp_path, len(IN_CODE), "code", SEED, *IN_CODE)
