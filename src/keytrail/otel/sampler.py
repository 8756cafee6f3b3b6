"""The sampler: the user's decision stands, and a request that carries a key is recorded besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState

from keytrail import faults
from keytrail.otel.incoming import incoming_of
from keytrail.otel.use import is_call
from keytrail.otel.verdict import StandIn, Upgraded, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.util.types import Attributes, AttributeValue

    from keytrail.otel.audit import Audit

_NOTES = (StandIn, Upgraded)
"""What a child inherits from its parent; asked by type, which is quicker for an abstract class."""


class KeytrailSampler(Sampler):
    """Wraps another sampler; turns DROP into RECORD_ONLY for incoming requests with a key.

    The sampled flag, and so what goes downstream and what stock processors export, is the wrapped
    sampler's. Dropped CLIENT spans stay dropped: a wire tap builds their use (late promotion).
    """

    def __init__(self, root: Sampler, audit: Audit) -> None:
        self.root = root
        self._audit = audit
        self._record_keyless = audit.settings.keyless == "denied"

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide as the wrapped sampler does, then see whether the span is a use."""
        result = self.root.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        try:
            if type(result.trace_state) in _NOTES:
                result.trace_state = plain(result.trace_state)
            if kind is SpanKind.SERVER or (
                kind is SpanKind.INTERNAL and attributes and _joins(parent_context)
            ):
                return self._server(result, parent_context, attributes)
            if kind is SpanKind.CLIENT and result.decision is Decision.DROP and attributes:
                return _client(result, parent_context, name, attributes)
            return result
        except Exception as error:  # noqa: BLE001 - the user's decision stands
            faults.report("sampler", error)
            return result

    def _server(
        self, result: SamplingResult, parent_context: Context | None, attributes: Attributes
    ) -> SamplingResult:
        incoming = incoming_of(parent_context)
        if incoming is None or incoming.span is not None:
            return result
        incoming.starts(attributes or {})
        if result.decision is not Decision.DROP:
            return result
        if not incoming.carries_key and not self._record_keyless:
            self._audit.uses.keyless("unknown")
            return result
        return SamplingResult(
            Decision.RECORD_ONLY, result.attributes or attributes, Upgraded(result.trace_state)
        )

    def get_description(self) -> str:
        """Name the wrapped sampler too."""
        return f"KeytrailSampler{{{self.root.get_description()}}}"


def _joins(parent_context: Context | None) -> bool:
    """Tell whether this is the span of a request that arrived while another span was current."""
    incoming = incoming_of(parent_context)
    if incoming is None or not incoming.joins:
        return False
    incoming.joins = False
    return True


def _client(
    result: SamplingResult,
    parent_context: Context | None,
    name: str,
    attributes: Mapping[str, AttributeValue],
) -> SamplingResult:
    if not is_call(attributes):
        return result
    stand_in = StandIn(result.trace_state, name, attributes, parent_context)
    return SamplingResult(result.decision, result.attributes, stand_in)
