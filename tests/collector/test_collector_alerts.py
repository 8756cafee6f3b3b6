"""Each alert fires for what it is for, and is quiet otherwise: promtool evaluates the rules.

The series have the names and labels that a real Collector showed; only their values are chosen.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.alert_cases import ALERTS
from collector.shown_series import Shown, shown_by_a_collector
from support.otelcol import ROOT, of_prometheus

RULES = ROOT / "collector-config" / "alerts.yaml"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What a Collector has shown that had everything to alert about."""
    return shown_by_a_collector(tmp_path_factory.mktemp("shown"))


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Prometheus's own tool."""
    command = [of_prometheus("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_prometheus_takes_the_rules() -> None:
    """Prometheus's own check finds nothing wrong with the rules."""
    done = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("alert", "case"), [(alert, case) for alert, cases in ALERTS.items() for case in cases]
)
def test_an_alert_fires_when_it_should(alert: str, case: str, shown: Shown, tmp_path: Path) -> None:
    """An alert accuses exactly whom it should, in the words that it should, or nobody."""
    rule = rules()[alert]
    given = ALERTS[alert][case](shown)
    expected = [
        {
            "exp_labels": {**labels, **rule["labels"]},
            "exp_annotations": {**rule["annotations"], "summary": given.summary},
        }
        for labels in given.accused
    ]
    test = {
        "interval": given.step,
        "input_series": [
            {"series": series, "values": values} for series, values in given.values.items()
        ],
        "alert_rule_test": [
            {"eval_time": given.at, "alertname": alert, "exp_alerts": expected},
        ],
    }
    file = tmp_path / "tests.yaml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(RULES)], "evaluation_interval": given.step, "tests": [test]}
        )
    )
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_both_ways() -> None:
    """Every alert that is shipped has cases in which it fires, and such in which it is quiet."""
    tried = {alert: {case.startswith("quiet") for case in cases} for alert, cases in ALERTS.items()}
    assert tried == {alert: {True, False} for alert in rules()}


def rules() -> dict[str, Any]:
    """Return the alerts that are shipped by name."""
    listed = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return {rule["alert"]: rule for rule in listed if "alert" in rule}
