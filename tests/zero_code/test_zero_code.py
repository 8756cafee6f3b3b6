"""Unmodified services under auto-instrumentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import F1, F2, K1, K2, PEPPER
from support.journals import await_uses
from support.launch import service
from support.sink import Sink, SunkSpan

PEPPER_ID = Peppers(Secret(PEPPER)).id
SERVER, CLIENT = 2, 3

INCOMING = {
    "keytrail.schema_version": "1.0",
    "keytrail.direction": "incoming",
    "keytrail.key.present": True,
    "keytrail.key.hash": F1,
    "keytrail.key.pepper_id": PEPPER_ID,
    "keytrail.key.type": "opaque",
    "keytrail.key.location": "header",
    "keytrail.key.field": "x-api-key",
    "keytrail.key.scheme": "none",
    "keytrail.outcome": "success",
    "keytrail.sampled": True,
}
OUTGOING = {
    **{name: value for name, value in INCOMING.items() if name != "keytrail.key.present"},
    "keytrail.direction": "outgoing",
    "keytrail.key.hash": F2,
}


def keytrail_attributes(span: SunkSpan) -> dict[str, Any]:
    """Return what keytrail put onto a span, without the time."""
    return {
        name: value
        for name, value in span.attributes.items()
        if name.startswith("keytrail.") and name != "keytrail.use.time"
    }


@pytest.mark.parametrize("mode", ["", "http", "http/dup"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_both_directions_carry_the_attributes_in_every_convention(
    framework: str, mode: str, sink: Sink, tmp_path: Path
) -> None:
    """SERVER and CLIENT spans carry exact names and value types, whatever the convention."""
    paths = ["requests", "httpx"] + (["httpx-async"] if framework == "fastapi" else [])
    with service(
        framework, tmp_path, endpoint=sink.url, OTEL_SEMCONV_STABILITY_OPT_IN=mode
    ) as running:
        for path in paths:
            answer = requests.get(
                f"{running.url}/{path}",
                params={"url": f"{running.url}/ok/1"},
                headers={"X-API-Key": K1},
                timeout=60,
            )
            assert answer.json() == {"status": 200}
        spans = sink.await_audit_spans(3 * len(paths))
    calls = [span for span in spans if span.kind == CLIENT]
    assert [keytrail_attributes(span) for span in calls] == [OUTGOING] * len(paths)
    outer = [span for span in spans if span.kind == SERVER and not span.parent_id]
    assert [keytrail_attributes(span) for span in outer] == [INCOMING] * len(paths)
    assert all(isinstance(span.attributes["keytrail.use.time"], int) for span in spans)
    inner = [span for span in spans if span.kind == SERVER and span.parent_id]
    assert {span.attributes["keytrail.key.hash"] for span in inner} == {F2}
    assert not any(key.encode() in body for body in sink.bodies for key in (K1, K2))


def test_keytrail_run_does_the_same(tmp_path: Path) -> None:
    """``keytrail run`` needs no backend: the journal has both directions."""
    with service("flask", tmp_path, launcher="keytrail run") as running:
        requests.get(
            f"{running.url}/requests",
            params={"url": f"{running.url}/status/403"},
            headers={"Authorization": f"Bearer {K1}"},
            timeout=60,
        )
        uses = await_uses(tmp_path, 3)
    assert [
        (use["direction"], use["key"], use["status"], use["outcome"], use["scheme"])
        for use in sorted(uses, key=lambda use: (use["direction"], use["status"]))
    ] == [
        ("incoming", F1, 200, "success", "bearer"),
        ("incoming", F2, 403, "denied", "none"),
        ("outgoing", F2, 403, "denied", "none"),
    ]


def test_one_percent_sampler_loses_no_use(sink: Sink, tmp_path: Path) -> None:
    """At 1 % every keyed request is journaled; the ordinary exporter gets about 1 %."""
    number = 150
    with service(
        "flask",
        tmp_path,
        endpoint=sink.url,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.01",
    ) as running:
        with requests.Session() as session:
            for _ in range(number):
                session.get(
                    f"{running.url}/requests",
                    params={"url": f"{running.url}/ok/1"},
                    headers={"X-API-Key": K1},
                    timeout=60,
                )
        uses = await_uses(tmp_path, 3 * number)
        sampled = {(use["trace_id"], use["span_id"]) for use in uses if use["sampled"]}
        sink.await_audit_spans(len(sampled))
    assert len(uses) == 3 * number
    assert {(use["direction"], use["key"]) for use in uses} == {
        ("incoming", F1),
        ("incoming", F2),
        ("outgoing", F2),
    }
    assert sampled == {(span.trace_id, span.span_id) for span in sink.audit_spans()}
    assert len(sampled) < number / 4


def test_late_promoted_calls_look_like_recorded_ones(sink: Sink, tmp_path: Path) -> None:
    """The row of an unsampled outgoing call differs from a sampled one's in nothing but ids."""
    rows = []
    for sampler in ("always_on", "always_off"):
        home = tmp_path / sampler
        with service("flask", home, endpoint=sink.url, OTEL_TRACES_SAMPLER=sampler) as running:
            requests.get(
                f"{running.url}/httpx",
                params={"url": f"{sink.url}/v1/nothing"},
                headers={"X-API-Key": K1},
                timeout=60,
            )
            outgoing = [u for u in await_uses(home, 2) if u["direction"] == "outgoing"]
        rows.append(outgoing[0])
    volatile = {"time", "trace_id", "span_id", "parent_span_id", "duration", "sampled", "span"}
    stable = [{k: v for k, v in row.items() if k not in volatile} for row in rows]
    recorded, promoted = stable
    assert recorded.pop("attributes").keys() >= promoted.pop("attributes").keys()
    assert recorded == promoted


def test_sdk_limits_change_nothing_in_the_journal(tmp_path: Path) -> None:
    """With 8 attributes of 40 characters, a row is the same as without limits."""
    rows = []
    for limits in (
        {},
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "8", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "40"},
    ):
        home = tmp_path / str(len(limits))
        with service("flask", home, endpoint="http://127.0.0.1:9", **limits) as running:
            requests.get(
                f"{running.url}/requests",
                params={"url": f"{running.url}/ok/{'long' * 30}"},
                headers={"X-API-Key": K1, "User-Agent": "agent" * 20},
                timeout=60,
            )
            rows.append(await_uses(home, 3))
    volatile = {"time", "trace_id", "span_id", "parent_span_id", "duration", "span", "attributes"}
    whole, limited = (
        [{k: v for k, v in row.items() if k not in volatile} for row in of] for of in rows
    )
    key = lambda row: (row["direction"], row["path"])  # noqa: E731
    assert sorted(limited, key=key) == sorted(whole, key=key)
