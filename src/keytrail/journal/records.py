"""The audit's own records in a segment: ``start``, ``stop``, ``gap`` and ``resource``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource

from keytrail.journal.line import attributes_in, to_line
from keytrail.journal.normal import carried_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def encode_record(record: str, time: int, **content: Any) -> bytes:
    """Return the line of the audit's own ``record``: start, stop, gap or resource."""
    return to_line({"record": record, "time": time, **content})


def resource_content(resource: Resource) -> dict[str, Any]:
    """Return what a ``resource`` record says: its id, attributes and schema URL."""
    attributes = carried_attributes(resource.attributes)
    return {
        "resource": resource_id(resource),
        "attributes": attributes,
        "schema_url": resource.schema_url,
    }


def resource_id(resource: Resource) -> str:
    """Return the id of ``resource``: 16 hex digits of the digest of its content."""
    content: Sequence[Any] = (carried_attributes(resource.attributes), resource.schema_url)
    return hashlib.sha256(to_line({"resource": content})).hexdigest()[:16]


def read_resource(record: Mapping[str, Any]) -> Resource:
    """Return the resource of a parsed ``resource`` record."""
    return Resource(attributes_in(record), record["schema_url"])
