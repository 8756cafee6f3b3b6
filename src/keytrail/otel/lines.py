"""A batch of ended uses becomes redacted journal lines; runs in the audit thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keytrail.capture.outcome import grpc_name, is_grpc
from keytrail.journal.codec import encode
from keytrail.journal.columns import OF_ATTRIBUTE
from keytrail.otel import limits
from keytrail.otel.addresses import with_attributes
from keytrail.otel.use import status_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.capture.outcome import Outcome
    from keytrail.otel.addresses import AddressPolicy
    from keytrail.otel.usage import UseCounter
    from keytrail.otel.use import Entry, OpenUse
    from keytrail.redaction.redactor import Redactor


_OURS = "keytrail."
_SHOWN = {name: column for name, column in OF_ATTRIBUTE.items() if not name.startswith(_OURS)}
"""What the request itself showed, by the names of the stable conventions."""


def prepare(
    batch: Sequence[Entry],
    redactor: Redactor,
    uses: UseCounter,
    origin_id: Callable[[ReadableSpan], str],
    addresses: AddressPolicy,
) -> list[bytes]:
    """Return one line for each of ``batch``, in order, with nothing of any key in it.

    Counts every one on ``uses``; ``origin_id`` tells under which id the segment has its origin.
    Of a client's address a line says what the policy allows.
    """
    lines = []
    for span, (_, use, ended) in zip(
        redactor.spans([_whole(span, use, addresses) for span, use, _ in batch]),
        batch,
        strict=True,
    ):
        told = use.outcome(span) if ended else "unknown"
        lines.append(encode(span, _columns(span, use, told), origin_id(span)))
        if ended:
            uses.count(use.facts, told)
        else:
            uses.provisional()
    return lines


def _whole(span: ReadableSpan, use: OpenUse, addresses: AddressPolicy) -> ReadableSpan:
    """Return ``span`` with all that the request showed, whatever its limits have taken.

    What keytrail saw itself stands under the stable conventions' names, whichever convention the
    instrumentation follows: every source then finds the same. What others call ``keytrail.…`` is
    left out: only keytrail's own facts go under that name, in :func:`_columns`.
    """
    attributes = {
        name: value
        for name, value in limits.whole(span, use.start_attributes).items()
        if not name.startswith(_OURS)
    }
    attributes = addresses.attributes(attributes, outgoing=use.facts.direction == "outgoing")
    attributes.update(use.facts.seen())
    status = use.status_in(attributes)
    if status is not None:
        attributes.update(dict.fromkeys(status_names(status, attributes), status))
    error = _error(span, use, attributes)
    if error is not None:
        attributes["error.type"] = error
    return with_attributes(span, attributes)


def _error(span: ReadableSpan, use: OpenUse, attributes: Mapping[str, Any]) -> str | None:
    if use.error is not None:
        return use.error
    told = attributes.get("error.type")
    if isinstance(told, str):
        return told
    status = use.status_in(attributes)
    if status and is_grpc(status):
        return grpc_name(status)
    for event in span._events:
        raised = (event.attributes or {}).get("exception.type")
        if isinstance(raised, str):
            return raised
    return None


def _columns(span: ReadableSpan, use: OpenUse, told: Outcome) -> dict[str, Any]:
    """Return the columns of a use; its other facts are put onto ``span``."""
    attributes = limits.held(span)
    columns: dict[str, Any] = {
        "outcome": told,
        "duration": ((span.end_time or 0) - (span.start_time or 0)) / 1e9,
    }
    for name, value in use.marks(span).items():
        column = OF_ATTRIBUTE.get(name)
        if column is None:
            attributes[name] = value
        else:
            columns[column] = value
    reason = use.reason(attributes, told)
    if reason is not None:
        columns.setdefault("reason", reason)
    for name, column in _SHOWN.items():
        shown = attributes.pop(name, None)
        if shown is not None:
            columns[column] = shown
    service = span.resource.attributes.get("service.name")
    if service is not None:
        columns["service"] = service
    return columns
