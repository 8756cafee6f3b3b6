"""Uses as events of the Open Cybersecurity Schema Framework, for a SIEM: one JSON object a line.

Class 6003, API Activity, version 1.6, with the trace profile. A key is an ``actor.user`` with a
programmatic credential whose ``uid`` is the fingerprint, and a ``token`` of the type API Token.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TextIO

from keytrail.questions.errors import QuestionError
from keytrail.report.values import worth
from keytrail.sources.source import USE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.questions.answer import Answer

_CLASS: Final = 6003
_ACTIVITIES: Final = {
    **dict.fromkeys(("GET", "HEAD", "OPTIONS"), 2),
    "POST": 1,
    **dict.fromkeys(("PUT", "PATCH"), 3),
    "DELETE": 4,
}
_UNKNOWN, _OTHER = 0, 99
_STATUS: Final = {"success": 1, "denied": 2, "rate_limited": 2, "error": 2}
_SEVERITY: Final = {"success": 1, "unknown": 1, "rate_limited": 2, "error": 2, "denied": 3}
_SEVERITY_OF_FINDINGS: Final = 4
_API_TOKEN: Final = 7
_MILLISECOND: Final = 10**6
_NOT_KNOWN: Final = "unknown"
_PRODUCT: Final = {
    "name": "keytrail",
    "vendor_name": "keytrail",
    "version": version("keytrail"),
}


def write(answer: Answer, data: TextIO, talk: TextIO) -> None:
    """Write one event a line to ``data`` and the completeness as the last line of ``talk``.

    Raises:
        QuestionError: the rows are not uses.
    """
    if answer.columns != USE_COLUMNS:
        raise QuestionError("only uses can be written as OCSF\nhint: keytrail uses --format ocsf")
    for row in answer.rows:
        use = dict(zip(USE_COLUMNS, row, strict=True))
        data.write(json.dumps(event(use)) + "\n")
    data.flush()
    talk.write(json.dumps({"completeness": worth(answer.completeness)}) + "\n")


def event(use: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of one use, without what is not known."""
    activity = _ACTIVITIES.get(use["method"], _OTHER if use["method"] else _UNKNOWN)
    begin = use["time"] // _MILLISECOND
    told: dict[str, Any] = _known(
        {
            "class_uid": _CLASS,
            "category_uid": _CLASS // 1000,
            "activity_id": activity,
            "type_uid": _CLASS * 100 + activity,
            "severity_id": _severity(use),
            "status_id": _STATUS.get(use["outcome"], _UNKNOWN),
            "status_code": _text(use["status"]),
            "status_detail": use["reason"] or use["error"],
            "time": begin,
            "duration": _milliseconds(use["duration"]),
            "message": f"{use['direction']} use of an API key: {use['outcome']}",
            "metadata": {
                "version": "1.6.0",
                "profiles": ["trace"],
                "uid": use["span_id"],
                "product": _PRODUCT,
            },
            "actor": {"user": _user(use), "app_name": use["service"] or _NOT_KNOWN},
            "token": {"type_id": _API_TOKEN, "type": "API Token"} if use["key"] else None,
            "api": {
                "operation": _operation(use),
                "service": {"name": use["service"]},
            },
            "src_endpoint": _source(use),
            "dst_endpoint": {"hostname": use["host"]},
            "http_request": {
                "http_method": use["method"],
                "user_agent": use["user_agent"],
                "url": {"path": use["path"], "hostname": use["host"]},
            },
            "http_response": {"code": use["status"]},
            "trace": _trace(use, begin),
            "unmapped": {
                f"keytrail.{name}": use[name]
                for name in ("findings", "location", "field", "scheme", "pepper_id", "environment")
            },
        }
    )
    return told


def _operation(use: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (use["method"], use["route"] or use["path"]))) or _NOT_KNOWN


def _severity(use: Mapping[str, Any]) -> int:
    found = _SEVERITY_OF_FINDINGS if use["findings"] else 0
    return max(found, _SEVERITY.get(use["outcome"], 1))


def _user(use: Mapping[str, Any]) -> dict[str, Any]:
    credential = {"uid": use["key_id"] or use["key"], "type": "API key"} if use["key"] else None
    return {
        "name": use["owner"] or use["key_name"] or (use["key"] and _NOT_KNOWN),
        "uid": use["key"],
        "programmatic_credentials": [credential] if credential else None,
    }


def _source(use: Mapping[str, Any]) -> dict[str, Any]:
    """An outgoing use comes from the service; the class requires a source."""
    if use["direction"] == "outgoing" or use["client"] is None:
        return {"svc_name": use["service"] or _NOT_KNOWN, "ip": use["client"]}
    return {"ip": use["client"]}


def _trace(use: Mapping[str, Any], begin: int) -> dict[str, Any] | None:
    if use["trace_id"] is None:
        return None
    end = begin + (_milliseconds(use["duration"]) or 0)
    span = {"uid": use["span_id"], "parent_uid": use["parent_span_id"]}
    return {"uid": use["trace_id"], "span": {**span, "start_time": begin, "end_time": end}}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _known(value: Any) -> Any:
    """Leave out what is empty, in every depth."""
    if isinstance(value, dict):
        inner = {name: _known(one) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one not in (None, {}, [], "")}
    return value
