"""Where every use goes when it is asked for, and when it is not."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import requests

from support.cases import K1
from support.journals import await_uses
from support.launch import service
from support.services import stop
from support.sink import Sink

HALF = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
PATIENT = {**HALF, "OTEL_BSP_SCHEDULE_DELAY": "5000", "KEYTRAIL_SHUTDOWN_TIMEOUT": "50"}
"""The ordinary pipeline exports five seconds before the journal would: it is not late then."""


def _call(url: str, number: int) -> None:
    with requests.Session() as session:
        for _ in range(number):
            session.get(f"{url}/ok/1", headers={"X-API-Key": K1}, timeout=60)


def test_same_endpoint_gets_every_use_once(sink: Sink, tmp_path: Path) -> None:
    """With ``same`` every audit span id arrives, sampled or not, and none twice."""
    with service(
        "flask", tmp_path, endpoint=sink.url, KEYTRAIL_OTLP_ENDPOINT="same", **PATIENT
    ) as running:
        _call(running.url, 60)
        sink.await_audit_spans(60)
        stop(running.process)
    assert Counter(span.span_id for span in sink.audit_spans()).most_common(1)[0][1] == 1
    assert len(sink.audit_spans()) == 60


def test_without_an_endpoint_nothing_more_is_exported(sink: Sink, tmp_path: Path) -> None:
    """Without ``KEYTRAIL_OTLP_ENDPOINT`` the ordinary endpoint gets the sampled spans only."""
    with service("flask", tmp_path, endpoint=sink.url, OTEL_TRACES_SAMPLER="always_off") as running:
        _call(running.url, 20)
        time.sleep(0.5)
        stop(running.process)
    assert sink.spans == []


def test_another_endpoint_gets_every_use_and_the_ordinary_one_its_own(
    sink: Sink, second_sink: Sink, tmp_path: Path
) -> None:
    """An endpoint of the audit's own gets all uses; the ordinary one what its sampler chose."""
    with service(
        "flask",
        tmp_path,
        endpoint=sink.url,
        KEYTRAIL_OTLP_ENDPOINT=second_sink.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-vendor=secret",
        **HALF,
    ) as running:
        _call(running.url, 40)
        second_sink.await_audit_spans(40)
        sink.await_audit_spans(1)
        stop(running.process)
    assert len({span.span_id for span in second_sink.audit_spans()}) == 40
    ordinary = {span.span_id for span in sink.audit_spans()}
    assert 0 < len(ordinary) < 40
    assert ordinary < {span.span_id for span in second_sink.audit_spans()}


def test_sigterm_delivers_the_rest_once(sink: Sink, tmp_path: Path) -> None:
    """SIGTERM right after the last request: every use has arrived, sampled or not, and once."""
    with service(
        "flask",
        tmp_path,
        endpoint=sink.url,
        KEYTRAIL_OTLP_ENDPOINT="same",
        KEYTRAIL_JOURNAL_INTERVAL="60",
        **{**PATIENT, "OTEL_BSP_SCHEDULE_DELAY": "60000"},
    ) as running:
        _call(running.url, 60)
        stop(running.process)
    counted = Counter(span.span_id for span in sink.audit_spans())
    assert (len(counted), set(counted.values())) == (60, {1})


def test_an_endpoint_that_fails_for_a_while_gets_every_use(sink: Sink, tmp_path: Path) -> None:
    """With ``same`` and an endpoint that was down: what the ordinary pipeline lost arrives too."""
    sink.status = 400
    with service(
        "flask", tmp_path, endpoint=sink.url, KEYTRAIL_OTLP_ENDPOINT="same", **PATIENT
    ) as running:
        _call(running.url, 40)
        sampled = {use["span_id"] for use in await_uses(tmp_path, 40) if use["sampled"]}
        deadline = time.monotonic() + 60
        while not sampled <= {span.span_id for span in sink.refused}:
            assert time.monotonic() < deadline, "the ordinary pipeline has lost nothing"
            time.sleep(0.05)
        sink.status = 200
        sink.await_audit_spans(40, 120)
        stop(running.process)
    counted = Counter(span.span_id for span in sink.audit_spans())
    assert (len(counted), set(counted.values())) == (40, {1})
