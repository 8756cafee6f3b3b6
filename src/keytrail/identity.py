"""What an application that authenticates itself knows of the key: said inside the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from keytrail import faults, semconv
from keytrail.activate import active_audit
from keytrail.otel.incoming import Incoming, incoming_of

if TYPE_CHECKING:
    from keytrail.otel.audit import Audit

Reason = Literal[
    "missing", "malformed", "unknown_key", "expired", "revoked", "insufficient_scope", "quota"
]

_LONGEST = 128
"""Characters that are kept of what the application says."""


def identify(
    *,
    owner: str | None = None,
    name: str | None = None,
    key_id: str | None = None,
    environment: str | None = None,
    reason: Reason | None = None,
) -> None:
    """Say whose key this request carries, or why it was refused.

    What is said goes onto the request's SERVER span and into the journal, before what the
    inventory says. A text that holds the raw key is dropped and counted. Outside of an audited
    request nothing happens; nothing is ever raised.
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
        semconv.OUTCOME_REASON: reason if reason in get_args(Reason) else None,
    }
    try:
        if reason is not None and said[semconv.OUTCOME_REASON] is None:
            faults.report("identify.reason", ValueError())
        _say(audit, incoming, {attribute: text for attribute, text in said.items() if text})
    except Exception as error:  # noqa: BLE001 - the request goes on
        faults.report("identify", error)


def _say(audit: Audit, incoming: Incoming, said: dict[str, str]) -> None:
    for attribute, text in said.items():
        if _holds_key(audit, incoming, text):
            faults.report("identify.raw_key", ValueError())
        else:
            incoming.said[attribute] = text[:_LONGEST]
    span = incoming.span
    if span is not None and semconv.SCHEMA_VERSION in (span._attributes or {}):
        span.set_attributes(incoming.said)


def _holds_key(audit: Audit, incoming: Incoming, text: str) -> bool:
    trace_id = incoming.span.get_span_context().trace_id if incoming.span else None
    if audit.redactor.text(text, trace_id) != text:
        return True
    told = audit.peppers.peppers.fingerprint(text.encode("utf-8", "surrogatepass"))
    return any(key.hash == told for key in incoming.facts.keys)
