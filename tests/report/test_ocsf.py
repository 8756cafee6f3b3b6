from __future__ import annotations

import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import QuestionError, keys, uses
from keytrail.report import write
from keytrail.sources import LocalSource
from store.segment_kit import T0, use
from store.segment_kit import write as write_lines
from support.cases import F1


def _events(home: Path) -> list[dict[str, Any]]:
    data, talk = io.StringIO(), io.StringIO()
    write(uses(LocalSource(home)), "ocsf", data, talk)
    assert json.loads(talk.getvalue())["completeness"]["worth"] == "exact"
    return [json.loads(line) for line in data.getvalue().splitlines()]


def test_a_denied_use_is_an_event(tmp_path: Path) -> None:
    """Class, actor, credential, ends, status and trace are where a SIEM looks for them."""
    write_lines(
        tmp_path,
        use(0, status=403, outcome="denied", reason="revoked", owner="acme", user_agent="curl/8"),
    )
    assert _events(tmp_path) == [
        {
            "class_uid": 6003,
            "category_uid": 6,
            "activity_id": 2,
            "type_uid": 600302,
            "severity_id": 3,
            "status_id": 2,
            "status_code": "403",
            "status_detail": "revoked",
            "time": T0 // 10**6,
            "duration": 250,
            "message": "incoming use of an API key: denied",
            "metadata": {
                "version": "1.6.0",
                "profiles": ["trace"],
                "uid": f"{1:016x}",
                "product": {
                    "name": "keytrail",
                    "vendor_name": "keytrail",
                    "version": version("keytrail"),
                },
            },
            "actor": {
                "user": {
                    "name": "acme",
                    "uid": F1,
                    "programmatic_credentials": [{"uid": F1, "type": "API key"}],
                },
                "app_name": "shop",
            },
            "token": {"type_id": 7, "type": "API Token"},
            "api": {"operation": "GET /orders/{id}", "service": {"name": "shop"}},
            "src_endpoint": {"ip": "192.0.2.1"},
            "dst_endpoint": {"hostname": "api.example.com"},
            "http_request": {
                "http_method": "GET",
                "user_agent": "curl/8",
                "url": {"path": "/orders/0", "hostname": "api.example.com"},
            },
            "http_response": {"code": 403},
            "trace": {
                "uid": f"{1:032x}",
                "span": {
                    "uid": f"{1:016x}",
                    "start_time": T0 // 10**6,
                    "end_time": T0 // 10**6 + 250,
                },
            },
            "unmapped": {
                "keytrail.location": "header",
                "keytrail.field": "x-api-key",
                "keytrail.scheme": "none",
                "keytrail.pepper_id": "8805e1a2",
            },
        }
    ]


def test_an_outgoing_use_comes_from_its_service(tmp_path: Path) -> None:
    """The class requires a source; a finding makes the event grave."""
    sent = {"direction": "outgoing", "client": None, "method": "PATCH", "findings": ["wrong_host"]}
    write_lines(tmp_path, use(0, **sent))
    (event,) = _events(tmp_path)
    assert event["src_endpoint"] == {"svc_name": "shop"}
    assert (event["activity_id"], event["severity_id"]) == (3, 4)


_REQUIRED = {
    *("activity_id", "actor", "api", "category_uid", "class_uid", "metadata"),
    *("severity_id", "src_endpoint", "time", "type_uid"),
}
"""Of class 6003 in OCSF 1.6, those of its base event included."""
_REQUIRED_WITHIN = {
    "api": {"operation"},
    "metadata": {"product", "version"},
    "http_response": {"code"},
    "trace": {"uid"},
}


@pytest.mark.parametrize(
    "absent",
    [
        {},
        {"method": None, "route": None, "path": None},
        {"service": None, "client": None},
        {"service": None, "client": None, "direction": "outgoing"},
        {"key": None, "pepper_id": None, "status": None, "outcome": "denied"},
        {"duration": None, "trace_id": None, "span_id": None, "host": None},
        {"outcome": "something new", "method": "PROPFIND"},
    ],
)
def test_what_the_class_requires_is_always_there(tmp_path: Path, absent: dict[str, Any]) -> None:
    """However little a use tells; an actor, a source and a user have something in them."""
    write_lines(tmp_path, use(0, **absent))
    (event,) = _events(tmp_path)
    assert event.keys() >= _REQUIRED
    for name, within in _REQUIRED_WITHIN.items():
        assert name not in event or event[name].keys() >= within
    assert event["actor"].keys() & {"user", "app_name"}
    assert event["src_endpoint"].keys() & {"ip", "svc_name"}
    assert event["actor"].get("user", {"uid": ""}).keys() & {"name", "uid"}
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]


def test_only_uses_are_events(tmp_path: Path) -> None:
    """What is counted has no event of its own."""
    write_lines(tmp_path, use(0))
    with pytest.raises(QuestionError) as caught:
        write(keys(LocalSource(tmp_path)), "ocsf", io.StringIO(), io.StringIO())
    assert str(caught.value) == (
        "only uses can be written as OCSF\nhint: keytrail uses --format ocsf"
    )
