"""Writes segments as services do, from the columns alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keytrail.journal.columns import COLUMNS
from support.cases import F1

T0 = 1_764_093_600_000_000_000
"""2025-11-25 18:00:00 UTC in Unix nanoseconds."""
SECOND = 10**9
DAY = "2025-11-25"


def use(number: int = 0, **columns: Any) -> dict[str, Any]:
    """Return use ``number``, one second after the one before, with ``columns`` changed."""
    line = {
        "time": T0 + number * SECOND,
        "key": F1,
        "direction": "incoming",
        "method": "GET",
        "route": "/orders/{id}",
        "path": f"/orders/{number}",
        "host": "api.example.com",
        "status": 200,
        "outcome": "success",
        "client": "192.0.2.1",
        "service": "shop",
        "location": "header",
        "field": "x-api-key",
        "scheme": "none",
        "findings": [],
        "duration": 0.25,
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "sampled": False,
        "pepper_id": "8805e1a2",
        "attributes": {"keytrail.key.type": "opaque"},
        "span": {"name": "GET /orders/{id}", "kind": 2},
        **columns,
    }
    assert line.keys() <= COLUMNS.keys()
    return {name: value for name, value in line.items() if value is not None}


def record(kind: str, number: int = 0, **columns: Any) -> dict[str, Any]:
    """Return one of the audit's own records."""
    return {"record": kind, "time": T0 + number * SECOND, **columns}


def write(home: Path, *lines: dict[str, Any] | bytes, name: str = "host-1-1.ndjson") -> Path:
    """Append ``lines`` to a segment of ``home``; bytes are written as they are."""
    path = home / "live" / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as segment:
        for line in lines:
            segment.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    return path


def delivered(home: Path, **columns: Any) -> None:
    """Append a line to the record of what was delivered."""
    home.mkdir(parents=True, exist_ok=True)
    line = {"time": T0, "endpoint": "collector:4318", "uses": 1, "first": T0, "last": T0, **columns}
    with (home / "delivered.ndjson").open("a") as file:
        file.write(json.dumps(line) + "\n")
