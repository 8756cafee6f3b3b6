"""The audit's own records in a segment: ``start``, ``stop``, ``settings``, ``gap``, ``origin``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from keytrail.journal.line import attributes_in, to_line
from keytrail.journal.normal import carried_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(NamedTuple):
    """Where spans come from: the same for most spans of a process, so a segment says it once."""

    resource: Resource
    scope: InstrumentationScope | None


UNKNOWN = Origin(Resource.get_empty(), None)


def encode_record(record: str, time: int, **content: Any) -> bytes:
    """Return the line of the audit's own ``record``."""
    return to_line({"record": record, "time": time, **content})


def origin_content(origin: Origin) -> dict[str, Any]:
    """Return what an ``origin`` record says: its id, and what stands behind it."""
    content = {
        "attributes": carried_attributes(origin.resource.attributes),
        "schema_url": origin.resource.schema_url,
        "scope": None if origin.scope is None else _scope(origin.scope),
    }
    return {"origin": hashlib.sha256(to_line(content)).hexdigest()[:16], **content}


def _scope(scope: InstrumentationScope) -> dict[str, Any]:
    return {
        "name": str(scope.name),
        "version": scope.version,
        "schema_url": scope.schema_url,
        "attributes": carried_attributes(scope.attributes),
    }


def read_origin(record: Mapping[str, Any]) -> Origin:
    """Return the origin of a parsed ``origin`` record."""
    resource = Resource(attributes_in(record), record["schema_url"])
    scope = record["scope"]
    if scope is None:
        return Origin(resource, None)
    return Origin(
        resource,
        InstrumentationScope(
            scope["name"], scope["version"], scope["schema_url"], attributes_in(scope)
        ),
    )
