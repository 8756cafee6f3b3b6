"""What an application that authenticates itself knows of the key: said inside the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from keytrail import faults, semconv
from keytrail.activate import active_audit
from keytrail.capture.outcome import Reason
from keytrail.otel.incoming import Incoming, incoming_of

if TYPE_CHECKING:
    from keytrail.otel.audit import Audit

_LONGEST = 128
"""Characters that are kept of a name."""
_LONGEST_MESSAGE = 256
_MOST_REDACTED = 8192
"""Characters of a message that are redacted before it is cut: what a request may spend on it."""


def identify(
    *,
    owner: str | None = None,
    name: str | None = None,
    key_id: str | None = None,
    environment: str | None = None,
    reason: Reason | None = None,
    message: str | None = None,
) -> None:
    """Say whose key this request carries, or why it was refused.

    What is said goes onto the request's SERVER span and into the journal, before what the
    inventory says; of each name 128 characters. A name that holds the raw key is dropped and
    counted. ``message`` is the error's text: it is redacted, and 256 characters are kept. Outside
    of an audited request nothing happens; nothing is ever raised.
    """
    audit = active_audit()
    incoming = incoming_of()
    if audit is None or incoming is None:
        return
    said = {
        semconv.KEY_OWNER: owner,
        semconv.KEY_NAME: name,
        semconv.KEY_ID: key_id,
        semconv.KEY_ENVIRONMENT: environment,
    }
    try:
        _name(audit, incoming, {attribute: text for attribute, text in said.items() if text})
        _explain(audit, incoming, reason, message)
        span = incoming.span
        if span is not None and semconv.SCHEMA_VERSION in (span._attributes or {}):
            span.set_attributes(incoming.said)
    except Exception as error:  # noqa: BLE001 - the request goes on
        faults.report("identify", error)


def _name(audit: Audit, incoming: Incoming, said: dict[str, str]) -> None:
    for attribute, text in said.items():
        if not isinstance(text, str):
            faults.report(f"identify.{attribute.rpartition('.')[2]}", TypeError())
        elif _holds_key(audit, incoming, text):
            faults.report("identify.raw_key", ValueError())
        else:
            incoming.said[attribute] = text[:_LONGEST]


def _explain(audit: Audit, incoming: Incoming, reason: Reason | None, message: str | None) -> None:
    if reason is not None and reason in get_args(Reason):
        incoming.said[semconv.OUTCOME_REASON] = reason
    elif reason is not None:
        faults.report("identify.reason", ValueError())
    if message:
        redacted = audit.redactor.text(str(message)[:_MOST_REDACTED], _trace_of(incoming))
        incoming.said[semconv.OUTCOME_MESSAGE] = redacted[:_LONGEST_MESSAGE]


def _holds_key(audit: Audit, incoming: Incoming, text: str) -> bool:
    if audit.redactor.text(text, _trace_of(incoming)) != text:
        return True
    told = audit.peppers.peppers.all(text.encode("utf-8", "surrogatepass"))
    return any(key.hash in told for key in incoming.facts.keys)


def _trace_of(incoming: Incoming) -> int | None:
    return incoming.span.get_span_context().trace_id if incoming.span else None
