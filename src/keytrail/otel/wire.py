"""Where the taps report: what goes out on the wire, and what comes in before it can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind

from keytrail import faults
from keytrail.otel import chain as chains
from keytrail.otel.chain import Chain, chain_on
from keytrail.otel.hops import Hop, KeylessHop, OwnHop, SpanHop, further_call
from keytrail.otel.incoming import incoming_of, inner_request, leave_in, read_carrier
from keytrail.otel.limits import held
from keytrail.otel.use import is_call
from keytrail.otel.verdict import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from keytrail.capture.facts import RequestFacts
    from keytrail.capture.reader import Read
    from keytrail.capture.view import RequestView
    from keytrail.otel.audit import Audit


class TappedWire:
    """What the taps of a process report to. Nothing here raises or blocks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.reader = audit.reader

    def arrived(self, read: Callable[[], dict[str, Any]], carrier: Any = None) -> None:
        """Read a request now, for the propagator: its carrier may have changed by then."""
        try:
            incoming = read_carrier(self._audit, read())
            if incoming is not None:
                leave_in(carrier, incoming)
        except Exception as error:  # noqa: BLE001 - the request goes on
            faults.report("arrived", error)

    def joining(self, carrier: Any) -> Any:
        """Read a request that the propagator is not asked about, since a span is current.

        Nothing is done for one that is part of the request whose span is current.
        """
        try:
            if trace.get_current_span() is trace.INVALID_SPAN:
                return None
            incoming = inner_request(self._audit, carrier)
            if incoming is None:
                return None
            incoming.joins = True
            return otel_context.attach(incoming.into(otel_context.get_current()))
        except Exception as error:  # noqa: BLE001 - the request goes on, unseen and counted
            faults.report("joining", error)
            return None

    def joined(self, span: Any) -> None:
        """Follow the span of a request that :meth:`joining` read, if it is recorded."""
        try:
            incoming = incoming_of()
            if incoming is not None and incoming.span is None and span.is_recording():
                self._audit.take_up(span, incoming)
        except Exception as error:  # noqa: BLE001 - the span goes on without facts
            faults.report("joined", error)

    def answering(self, status: Callable[[], int | None]) -> None:
        """Let the use of the request in this context ask ``status`` when its span ends."""
        try:
            incoming = incoming_of()
            if incoming is not None and incoming.span is not None:
                use = self._audit.open.get(incoming.span.context.span_id)
                if use is not None:
                    use.ask_status = status
        except Exception as error:  # noqa: BLE001 - the call goes on; its span tells the status
            faults.report("answering", error)

    def refused(self, read: Callable[[], RequestView]) -> None:
        """Tell that a library refused to send a request: no use, but its error may tell a key."""
        try:
            remembered = self._audit.remember(self._audit.reader.outgoing(read()))
            trace_id = trace.get_current_span().get_span_context().trace_id
            self._audit.memory.bind(trace_id, remembered)
        except Exception as error:  # noqa: BLE001 - the application gets its own error
            faults.report("refused", error)

    def holds(self, within: str) -> bool:
        """Tell whether this runs in a call of ``within`` whose hops are held together."""
        outer = chains.current.get()
        return outer is not None and outer.within == within

    def enter(self, within: str) -> Chain:
        """Hold the hops of one call together until :meth:`leave`."""
        chain = Chain(within, chains.current.get())
        chains.current.set(chain)
        return chain

    def leave(self, chain: Chain) -> None:
        """Tell that the call is over whose hops ``chain`` holds together."""
        chains.current.set(chain.outer)

    def begin(
        self,
        may_carry_key: Callable[[], bool],
        read: Callable[[], RequestView],
        *,
        within: str | None = None,
        again: Any = None,
    ) -> Hop | None:
        """Tell that a request is about to be sent; ``None`` where it is certainly not a use.

        ``may_carry_key`` is never wrong when it says no; ``read`` is called only if it says yes.
        ``within``: whose call this is, for :meth:`enter`. ``again``: this is a request
        that was begun before, and had more added to it since.
        """
        try:
            spanning = chains.current.get()
            if spanning is not None:
                if spanning.within == within:
                    spanning.seen = True
                else:
                    spanning = None
            if may_carry_key():
                return self._keyed(read, spanning, again)
            chain = spanning or _chain_of(trace.get_current_span())
            return None if chain is None else KeylessHop(chain, read)
        except Exception as error:  # noqa: BLE001 - the call goes on, unseen and counted
            faults.report("outgoing", error)
            return None

    def _keyed(
        self, read: Callable[[], RequestView], spanning: Chain | None, again: Any
    ) -> Hop | None:
        if otel_context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return None
        if again is not None and again.is_use:
            return self._amended(again, read())
        span = trace.get_current_span()
        of_span = _chain_of(span)
        return self._sent(read(), span, of_span, spanning or of_span or Chain())

    def _sent(
        self, view: RequestView, span: trace.Span, of_span: Chain | None, chain: Chain
    ) -> Hop:
        if chain.first_host is None:
            chain.first_host = (view.host, view.port)
        read = self._read(chain, view)
        chain.sent |= {key.hash for key in read.facts.keys}
        remembered = self._audit.remember(read)
        context, hop = self._hop(span, of_span, chain, view, read.facts)
        self._audit.memory.bind(context.trace_id, remembered)
        return hop

    def _amended(self, hop: Hop, view: RequestView) -> Hop:
        read = self._audit.reader.outgoing(view)
        self._audit.memory.bind(
            trace.get_current_span().get_span_context().trace_id, self._audit.remember(read)
        )
        hop.amend(read.facts)
        return hop

    def _read(self, chain: Chain, view: RequestView) -> Read:
        """Read a hop; where it goes to another host, a key that is new there was meant for it."""
        reader, first = self._audit.reader, chain.first_host
        if chain.redirected or first == (view.host, view.port):
            return reader.outgoing(view, first, chain.redirected)
        read = reader.outgoing(view)
        if chain.sent.isdisjoint([key.hash for key in read.facts.keys]):
            return read
        return reader.outgoing(view, first)

    def _hop(
        self,
        span: trace.Span,
        of_span: Chain | None,
        chain: Chain,
        view: RequestView,
        facts: RequestFacts,
    ) -> tuple[SpanContext, Hop]:
        context = span.get_span_context()
        if not facts.keys:
            return context, Hop(chain)
        if of_span is None or of_span.uses:
            context, call = further_call(context, view)
            return context, OwnHop(self._audit, chain, facts, context, call)
        of_span.uses += 1
        if isinstance(context.trace_state, StandIn):
            return context, OwnHop(self._audit, chain, facts, context, context.trace_state.call)
        return context, SpanHop(self._audit, chain, facts, span)


def _chain_of(span: trace.Span) -> Chain | None:
    """Return the chain of the call whose span this is."""
    return chain_on(span) if _is_call(span) else None


def _is_call(span: trace.Span) -> bool:
    """Tell whether ``span`` is that of a call, recorded or the stand-in of a dropped one."""
    if not span.is_recording():
        return type(span.get_span_context().trace_state) is StandIn
    return isinstance(span, Span) and span.kind is SpanKind.CLIENT and is_call(held(span))
