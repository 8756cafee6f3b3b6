"""Audit spans as events of Splunk's HTTP Event Collector."""

from __future__ import annotations

from pathlib import Path

from collector.splunk_contract import Splunk, splunk
from support.cases import F1, K1
from support.otelcol import ROOT, collector, post, span, traces
from support.waiting import eventually

SHIPPED = ROOT / "collector-config"
FILES = [SHIPPED / "standalone.yaml", SHIPPED / "backends" / "splunk.yaml"]
PEPPER_ID = "8805e1a2"
KEYED = {"http.request.header.x-api-key": [K1], "http.response.status_code": 403}


def event(number: int) -> dict[str, object]:
    """Return the event of the span that has this number."""
    sent = span(number)
    return {
        "event": {
            "trace_id": sent.trace_id.hex(),
            "span_id": sent.span_id.hex(),
            "parent_span_id": "",
            "name": sent.name,
            "kind": "SPAN_KIND_SERVER",
            "start_time": sent.start_time_unix_nano,
            "end_time": sent.end_time_unix_nano,
            "status": {"message": "", "code": "STATUS_CODE_UNSET"},
            "attributes": {
                "http.request.header.x-api-key": ["REDACTED"],
                "http.response.status_code": 403,
                "keytrail.schema_version": "1.0",
                "keytrail.direction": "incoming",
                "keytrail.key.present": True,
                "keytrail.key.hash": F1,
                "keytrail.key.pepper_id": PEPPER_ID,
                "keytrail.key.type": "opaque",
                "keytrail.key.location": "header",
                "keytrail.key.field": "x-api-key",
                "keytrail.key.scheme": "none",
                "keytrail.outcome": "denied",
                "keytrail.sampled": True,
                "keytrail.use.time": sent.start_time_unix_nano,
            },
        },
        "fields": {"service.name": "shop"},
        "host": "unknown",
        "source": "keytrail",
        "sourcetype": "keytrail:audit",
        "index": "keytrail_audit",
        "time": sent.start_time_unix_nano // 10**9,
    }


def in_order(destination: Splunk) -> list[dict[str, object]]:
    """Return the events that arrived, with their times to the millisecond that Splunk keeps."""
    rounded = [{**one, "time": round(one["time"], 3)} for one in destination.events]
    return sorted(rounded, key=lambda one: str(one["event"]["span_id"]))


def test_every_use_is_an_event_in_the_index_of_the_audit(tmp_path: Path) -> None:
    """A Splunk that is busy at first has every use once in the end, whole and without a key."""
    with (
        splunk(token="for-the-audit") as destination,
        collector(
            tmp_path,
            FILES,
            KEYTRAIL_SPLUNK_ENDPOINT=destination.endpoint,
            KEYTRAIL_SPLUNK_TOKEN="for-the-audit",
        ) as running,
    ):
        destination.busy = True
        for start in range(1, 41, 10):
            spans = [span(number, KEYED) for number in range(start, start + 10)]
            assert post(running.port, "/v1/traces", traces(*spans, span(1000 + start))) == 200
        eventually(lambda: destination.refused > 0)
        assert destination.events == []
        destination.busy = False
        eventually(lambda: len(destination.events) >= 40)
        assert in_order(destination) == [event(number) for number in range(1, 41)]
