"""The benchmarks run, count right, and say what they say in the units that they name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _run(module: str, *arguments: str) -> Any:
    """Return what a benchmark prints as JSON; it fails by itself where a use went uncounted."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "library",
    [
        "flask",
        "django asgi",
        "fastapi on a socket",
        "grpc server",
        "grpc client, plugin",
        "requests",
        "httpx",
    ],
)
def test_overhead_compares_two_stock_sides_with_keytrail(library: str) -> None:
    """A quick run tells the stock seconds and what keytrail and the twin add, of both parts."""
    scenario = "unsampled, with key"
    found = _run("overhead", "--quick", "--library", library, "--scenario", scenario)
    (result,) = found["results"]
    assert (result["library"], result["scenario"]) == (library, scenario)
    for part in ("request_thread", "whole_process"):
        assert result[part].keys() == {"stock", "keytrail", "twin"}
        assert 1e-6 < result[part]["stock"] < 1
        for side in ("keytrail", "twin"):
            added = result[part][side]
            assert added["lower"] <= added["median"] <= added["upper"]


def test_keys_counts_what_was_written() -> None:
    """A journal of every writer is asked as often as was wanted, and each run is told."""
    found = _run("keys", "--uses", "4001", "--runs", "2")
    assert found["uses"] == 4001
    assert found["journal_bytes"] > 4001 * 500
    assert len(found["runs"]) == 2
    for run in found["runs"]:
        assert run["cpu_seconds"] > 0
        assert run["seconds"] > 0
        assert 10 * 2**20 < run["peak_bytes"] < 2**30


def test_load_loses_no_use() -> None:
    """A service under load, stopped at its last answer, has journaled one use for each request."""
    stock, keytrail = _run("load", "--requests", "400")["outcomes"]
    assert (stock["side"], stock["requests"], stock["journaled"]) == ("stock", 400, 0)
    assert (keytrail["side"], keytrail["requests"], keytrail["journaled"]) == ("keytrail", 400, 400)
    for side in (stock, keytrail):
        assert 0 <= side["exported"] <= 400
        assert side["per_second"] > 0
        assert 20 * 2**20 < side["memory_after"] < 2**30


def test_redaction_tells_every_side_and_every_hostile_text() -> None:
    """A quick run tells seconds for both batch sizes, the growth, and each hostile text."""
    found = _run("redaction", "--quick")
    assert found["batches"].keys() == {"512", "1"}
    assert {"keytrail", "keytrail, same frames"} <= found["batches"]["512"].keys()
    assert list(found["shapes"]) == ["25", "50", "100", "200", "326"]
    assert found["hostile"]["one endless token"] > 0


def test_latency_compares_a_dead_endpoint_and_a_twin_with_a_live_one() -> None:
    """The ratios of both, with quartiles, beside the live side's seconds."""
    found = _run("latency", "--rounds", "2", "--calls", "20")
    assert 1e-5 < found["alive_p50"] <= found["alive_p99"] < 10
    for side in ("dead", "twin"):
        assert 0 < found[side]["lower"] <= found[side]["median"] <= found[side]["upper"]
