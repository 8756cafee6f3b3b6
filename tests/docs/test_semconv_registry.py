"""The registry in ``docs/semconv/`` says what the code writes and the pages tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from opentelemetry import propagate
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

import keytrail
from keytrail import semconv
from keytrail.activate import active_audit
from keytrail.capture import facts
from keytrail.capture.findings import GRAVITY
from keytrail.capture.outcome import Outcome, Reason
from keytrail.settings import Secret, Settings
from support.cases import F1, F2, PEPPER
from support.pages import ROOT

FOLDER = ROOT / "docs/semconv"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "manifest.yaml")
GROUPS: list[dict[str, Any]] = [
    group for path in FILES for group in yaml.safe_load(path.read_text())["groups"]
]
ATTRIBUTES: dict[str, dict[str, Any]] = {
    attribute["id"]: attribute
    for group in GROUPS
    for attribute in group.get("attributes", ())
    if "id" in attribute
}
CONSTANTS = {
    constant: value
    for constant, value in vars(semconv).items()
    if constant.isupper() and str(value).startswith("keytrail.")
}
TYPES = {str: "string", bool: "boolean", int: "int", tuple: "string[]"}


def _type(attribute: dict[str, Any]) -> str:
    return "string" if isinstance(attribute["type"], dict) else str(attribute["type"])


def _members(name: str) -> tuple[str, ...]:
    return tuple(member["value"] for member in ATTRIBUTES[name]["type"]["members"])


def test_attributes_and_metrics_are_those_of_the_code() -> None:
    """Every constant has its definition, and nothing is defined that has none."""
    metrics = {value for name, value in CONSTANTS.items() if name.startswith("METRIC_")}
    events = {value for name, value in CONSTANTS.items() if name.startswith("EVENT_")}
    others = ("METRIC_", "EVENT_")
    attributes = {value for name, value in CONSTANTS.items() if not name.startswith(others)}
    assert set(ATTRIBUTES) == attributes
    assert {group["name"] for group in GROUPS if group["type"] == "event"} == events
    assert {group["metric_name"] for group in GROUPS if group["type"] == "metric"} == metrics


def test_types_are_those_of_the_page() -> None:
    """``docs/attributes.md`` tells the same type of every attribute."""
    page = (ROOT / "docs/attributes.md").read_text().partition("## Metrics")[0]
    told = dict(re.findall(r"^\| `(keytrail\.[\w.]+)` \| (\w+(?:\[\])?) \|", page, re.MULTILINE))
    assert told == {name: _type(attribute) for name, attribute in ATTRIBUTES.items()}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (semconv.DIRECTION, get_args(facts.Direction)),
        (semconv.KEY_TYPE, get_args(facts.KeyType)),
        (semconv.KEY_LOCATION, get_args(facts.Location)),
        (semconv.OUTCOME, get_args(Outcome)),
        (semconv.OUTCOME_REASON, get_args(Reason)),
        (semconv.FINDING, GRAVITY),
    ],
)
def test_closed_lists_are_those_of_the_code(name: str, words: tuple[str, ...]) -> None:
    """The same words in the same order."""
    assert _members(name) == words


def test_a_full_use_has_the_types_of_the_registry() -> None:
    """What is put onto a span is of the defined type, and one of the closed list's words."""
    key = facts.KeyFacts(
        F1, "8805e1a2", "opaque", "header", "x-api-key", "none", F2, "i", "n", "o", "e", "p"
    )
    other = key._replace(hash=F2)
    request = facts.RequestFacts(
        "incoming",
        (key, other),
        "GET",
        "https",
        "h",
        443,
        "/",
        findings=("wrong_host",),
        host_expected="x",
    )
    written = request.attributes()
    told = {name: TYPES[type(value)] for name, value in written.items()}
    assert told == {name: _type(ATTRIBUTES[name]) for name in written}
    assert len(written) == 20
    for name, value in written.items():
        if isinstance(ATTRIBUTES[name]["type"], dict):
            assert value in _members(name)


def test_every_definition_is_complete() -> None:
    """As the schema of OpenTelemetry's registries demands: id, type, brief, stability, examples."""
    ids = [group["id"] for group in GROUPS]
    assert len(set(ids)) == len(ids)
    for group in GROUPS:
        assert group["brief"].endswith(".")
        assert group["type"] == "attribute_group" or group["stability"] == "development"
    for attribute in ATTRIBUTES.values():
        assert attribute["stability"] == "development"
        assert attribute["brief"].endswith(".")
        closed = isinstance(attribute["type"], dict)
        assert closed or attribute["type"] == "boolean" or attribute["examples"]
        for member in attribute["type"]["members"] if closed else ():
            assert member["id"] == member["value"]
            assert member["stability"] == "development"


def test_references_lead_to_definitions() -> None:
    """Nothing refers to what is not defined, and every attribute is used by a span."""
    referred = {
        group["id"]: {attribute["ref"] for attribute in group["attributes"] if "ref" in attribute}
        for group in GROUPS
        if "attributes" in group
    }
    assert set().union(*referred.values()) <= set(ATTRIBUTES)
    spans = [group for group in GROUPS if group["type"] == "span"]
    assert {span["span_kind"] for span in spans} == {"server", "client"}
    used = set().union(*(referred[span["id"]] | referred[span["extends"]] for span in spans))
    assert used == set(ATTRIBUTES)


def test_metrics_are_of_the_kind_and_unit_that_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a reader of the process's metrics gets them."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", meters)
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=tmp_path))
    audit = active_audit()
    assert audit is not None
    audit.uses.user_tokens(1)
    carrier = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "HTTP_X_API_KEY": "k" * 20}
    context = propagate.extract(carrier)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.get_tracer("server").start_span("GET", context, kind=SpanKind.SERVER).end()
    assert audit.flush(60)
    data: Any = reader.get_metrics_data()
    keytrail.uninstrument()
    defined = {
        group["metric_name"]: (group["instrument"], group["unit"])
        for group in GROUPS
        if group["type"] == "metric"
    }
    measured = {
        metric.name: (
            "counter" if metric.data.is_monotonic else "updowncounter",
            metric.unit,
        )
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if isinstance(metric.data, Sum) and metric.name.startswith("keytrail.")
    }
    assert {semconv.METRIC_USES, semconv.METRIC_USER_TOKENS, semconv.METRIC_SEEN} <= set(measured)
    assert measured == {name: defined[name] for name in measured}
