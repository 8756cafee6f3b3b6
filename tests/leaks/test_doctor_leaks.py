"""``keytrail doctor --leaks``: the user's own pipeline, run dry with canaries in every place."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.cli_kit import KEYTRAIL, environment, keytrail
from keytrail.cli.checks.check import Check
from keytrail.cli.checks.leaks import Examination, ExaminationError, examine
from keytrail.leaks import calling, planting
from leaks.receivers import Received, receiver
from support.cases import PEPPER


def _configured(received: Received) -> dict[str, str]:
    return {
        "KEYTRAIL_PEPPER": PEPPER,
        "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": received.protocol,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "50",
    }


@pytest.fixture(scope="module")
def doctored(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any], int]:
    """Exit code, answer, and how many bodies the configured endpoint got."""
    with receiver("http/protobuf") as received:
        home = str(tmp_path_factory.mktemp("home"))
        ran = keytrail(
            *("doctor", "--leaks", "--format", "json"),
            **_configured(received),
            KEYTRAIL_HOME=home,
        )
        return ran.returncode, json.loads(ran.stdout), len(received.everything())


def test_nothing_leaves_with_keytrail(doctored: tuple[int, dict[str, Any], int]) -> None:
    """Exit 0; the check says from how many places a key would have left without keytrail."""
    code, told, _ = doctored
    (check,) = [check for check in told["checks"] if check["name"] == "leaks"]
    stock = sum(bool(place["without"]) for place in told["leaks"])
    assert [one for one in told["checks"] if one["state"] == "fail"] == []
    assert (code, check["state"], check["hint"]) == (0, "ok", None)
    assert check["says"] == (
        f"of {len(told['leaks'])} places a key would leave from {stock} without keytrail, from 0 "
        "with it; nothing was sent to OTLPSpanExporter, OTLPLogExporter, OTLPMetricExporter"
    )


def test_place_by_place(doctored: tuple[int, dict[str, Any], int]) -> None:
    """Every place of every installed library, with the signals that a key would leave in."""
    places = {place["place"]: place for place in doctored[1]["leaks"]}
    assert places["fastapi: query"] == {
        "place": "fastapi: query",
        "without": ["traces"],
        "with": [],
    }
    assert places["urllib3: query, refused"]["without"] == ["traces", "logs"]
    assert places["flask: header to measurement"]["without"] == ["metrics"]
    assert {place.partition(":")[0] for place in places} == {"fastapi", "flask", *calling.CLIENTS}
    assert {place.removeprefix("flask: header to ") for place in places} >= (
        planting.PLACES.keys() - {"nowhere"}
    )
    assert all(place["with"] == [] for place in places.values())


def test_nothing_is_sent(doctored: tuple[int, dict[str, Any], int]) -> None:
    """The configured endpoint got not one body, in neither run."""
    assert doctored[2] == 0


def test_what_leaks_fails() -> None:
    """Where keytrail is not in force the same run exits 1, and the table has the places."""
    without = str(Path(__file__).parent / "without")
    with receiver("http/protobuf") as received:
        ran = subprocess.run(
            [str(KEYTRAIL), "doctor", "--leaks"],
            env=environment(**_configured(received), PYTHONPATH=without, COLUMNS="200"),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert ran.returncode == 1
    lines = [line.split("  ") for line in ran.stdout.splitlines()]
    rows = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines if line}
    assert rows["fastapi: query"] == ["traces", "traces"]
    assert "hint: see SECURITY.md, and report what it does not name" in ran.stdout


def test_without_an_exporter() -> None:
    """Where nothing is configured that exports there is nothing to leak, and it says so."""
    assert Examination((), ()).check() == Check(
        "leaks",
        "warn",
        "this environment configures no exporter: nothing would be exported",
        "set the OTEL_* variables of the service; a set-up in code is not seen",
    )


def test_a_pipeline_that_does_not_start(tmp_path: Path) -> None:
    """The type of what kept it from starting is told, and no word of what it said."""
    broken = tmp_path / "keytrail"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise LookupError('with a secret')")
    with pytest.raises(ExaminationError, match=r"^LookupError$"):
        examine({"PYTHONPATH": str(tmp_path)})
