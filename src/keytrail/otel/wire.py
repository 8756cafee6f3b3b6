"""Where the taps report: what goes out on the wire, and what comes in before it can be changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind

from keytrail import faults
from keytrail.otel import chain as chains
from keytrail.otel.chain import Chain, chain_on
from keytrail.otel.hops import Hop, OwnHop, SpanHop, further_call
from keytrail.otel.incoming import leave_in, read_carrier
from keytrail.otel.use import is_http_call
from keytrail.otel.verdict import DroppedCall, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keytrail.capture.facts import RequestFacts
    from keytrail.capture.view import RequestView
    from keytrail.otel.audit import Audit


class TappedWire:
    """What the taps of a process report to. Nothing here raises or blocks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.reader = audit.reader

    def arrived(self, carrier: dict[str, Any]) -> None:
        """Read a request now, for the propagator: its carrier may have changed by then."""
        try:
            incoming = read_carrier(self._audit, carrier)
            if incoming is not None:
                leave_in(carrier, incoming)
        except Exception as error:  # noqa: BLE001 - the request goes on
            faults.report("arrived", error)

    def refused(self, read: Callable[[], RequestView]) -> None:
        """Tell that a library refused to send a request: no use, but its error may tell a key."""
        try:
            remembered = self._audit.remember(self._audit.reader.outgoing(read()))
            trace_id = trace.get_current_span().get_span_context().trace_id
            self._audit.memory.bind(trace_id, remembered)
        except Exception as error:  # noqa: BLE001 - the application gets its own error
            faults.report("refused", error)

    @contextmanager
    def chain(self) -> Iterator[Chain]:
        """Hold together the hops of one call; the calls that it makes inside are its own."""
        chain = Chain()
        token = chains.current.set(chain)
        try:
            yield chain
        finally:
            chains.current.reset(token)

    def begin(
        self,
        may_carry_key: Callable[[], bool],
        read: Callable[[], RequestView],
        *,
        across_spans: bool = False,
    ) -> Hop | None:
        """Tell that a request is about to be sent; ``None`` where it is certainly not a use.

        ``may_carry_key`` is never wrong when it says no; ``read`` is called only if it says yes.
        ``across_spans``: the library starts a span for each hop, and :meth:`chain` holds them.
        """
        try:
            if otel_context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
                return None
            spanning = chains.current.get() if across_spans else None
            if spanning is not None:
                spanning.seen = True
            return self._begin(read(), spanning) if may_carry_key() else None
        except Exception as error:  # noqa: BLE001 - the call goes on, unseen and counted
            faults.report("outgoing", error)
            return None

    def _begin(self, view: RequestView, spanning: Chain | None) -> Hop:
        span = trace.get_current_span()
        call = _dropped_call(span)
        of_span = chain_on(span) if call is not None or _is_recorded_call(span) else None
        chain = spanning or of_span or Chain()
        if chain.first_host is None:
            chain.first_host = (view.host, view.port)
        read = self._audit.reader.outgoing(view, chain.first_host, chain.redirected)
        remembered = self._audit.remember(read)
        hop = self._hop(span, call, of_span, chain, view, read.facts)
        self._audit.memory.bind(hop.trace_id, remembered)
        return hop

    def _hop(
        self,
        span: trace.Span,
        call: DroppedCall | None,
        of_span: Chain | None,
        chain: Chain,
        view: RequestView,
        facts: RequestFacts,
    ) -> Hop:
        context = span.get_span_context()
        if not facts.keys:
            return Hop(chain, context.trace_id)
        if of_span is None or of_span.uses:
            return OwnHop(self._audit, chain, facts, *further_call(context, view))
        of_span.uses += 1
        if call is None:
            return SpanHop(self._audit, chain, facts, span)
        return OwnHop(self._audit, chain, facts, context, call)


def _is_recorded_call(span: trace.Span) -> bool:
    return (
        isinstance(span, Span)
        and span.kind is SpanKind.CLIENT
        and span.is_recording()
        and is_http_call(span._attributes or {})
    )


def _dropped_call(span: trace.Span) -> DroppedCall | None:
    state = span.get_span_context().trace_state
    return state.call if isinstance(state, StandIn) and not span.is_recording() else None
