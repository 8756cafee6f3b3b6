"""An audit span as a tracing backend gives it back, as a use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.journal.columns import COLUMNS, OF_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OLDER: Final = {
    "method": ("http.method",),
    "path": ("http.target", "http.path"),
    "host": ("net.peer.name", "http.host", "net.host.name"),
    "status": ("http.status_code",),
    "client": ("http.client_ip", "net.peer.ip", "network.peer.address"),
    "user_agent": ("http.user_agent",),
}
"""Where older conventions, which services in other languages may follow, have a column."""

NAMES: Final[dict[str, tuple[str, ...]]] = {
    column: (attribute, *_OLDER.get(column, ())) for attribute, column in OF_ATTRIBUTE.items()
}
"""Column → the attributes that may have it, the first that is there counts."""


@dataclass(frozen=True, slots=True)
class AuditSpan:
    """What a backend tells of one span."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    start: int
    """Unix nanoseconds, as exact as the backend has it."""
    duration: float
    """Seconds."""
    service: str | None
    attributes: Mapping[str, Any]

    @property
    def is_one(self) -> bool:
        """Whether the span is an audit span at all: backends return whole traces."""
        return semconv.SCHEMA_VERSION in self.attributes

    @property
    def has_fingerprint(self) -> bool:
        """Whether what stands for the key is a fingerprint, or nothing, as it must be."""
        return is_key(self.attributes.get(semconv.KEY_HASH))


def is_key(told: object) -> bool:
    """Tell whether what stands for a key may be shown: a fingerprint, or nothing."""
    return told is None or semconv.FINGERPRINT.fullmatch(str(told)) is not None


def use_of(span: AuditSpan) -> dict[str, object]:
    """Return the columns of a use that the span tells, as a line of a journal has them."""
    told: dict[str, object] = {
        "trace_id": span.trace_id.lower().rjust(32, "0"),
        "span_id": span.span_id.lower().rjust(16, "0"),
        "parent_span_id": _parent(span.parent_span_id),
        "duration": span.duration,
        "service": span.service,
        "attributes": {
            name: read(span.attributes[name])
            for name, read in _KEPT.items()
            if name in span.attributes
        },
    }
    for column, names in NAMES.items():
        found = next((span.attributes[name] for name in names if name in span.attributes), None)
        told[column] = READ[COLUMNS[column]](found)
    told["time"] = told["time"] or span.start
    if not span.has_fingerprint:
        told["key"] = None
    return {column: value for column, value in told.items() if value is not None}


def _parent(span_id: str | None) -> str | None:
    if not span_id or not span_id.strip("0"):
        return None
    return span_id.lower().rjust(16, "0")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int | None:
    try:
        return None if value is None else int(str(value))
    except ValueError:
        return None


def _number(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None


def _yes(value: object) -> bool | None:
    return None if value is None else str(value).lower() == "true"


def _texts(value: object) -> list[str] | None:
    """Read an array, which some backends give back as its JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    return [str(one) for one in value] if isinstance(value, list) else None


READ: Final[dict[str, Callable[[object], object]]] = {
    "text": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _yes,
    "texts": _texts,
}
"""How what a backend tells becomes a value, by the type of the column."""

_KEPT: Final[dict[str, Callable[[object], object]]] = {
    semconv.KEY_PREVIOUS_HASH: _text,
    semconv.KEY_OTHER_HASHES: _texts,
    semconv.REDACTED_HASHES: _texts,
}
"""What questions ask for beside the columns."""

KEPT: Final = tuple(_KEPT)
"""The attributes that a use has beside its columns."""
