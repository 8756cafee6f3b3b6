"""Outgoing uses: what the wire taps saw, onto the CLIENT span that it belongs to or beside it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from keytrail import faults
from keytrail.otel import chain as chains
from keytrail.otel.chain import Chain, chain_on
from keytrail.otel.use import Finished, OpenUse, is_http_call, status_names
from keytrail.otel.verdict import DroppedCall, StandIn, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from keytrail.capture.facts import RequestFacts
    from keytrail.capture.view import RequestView
    from keytrail.otel.audit import Audit

_SCOPE = InstrumentationScope("keytrail")
_ids = RandomIdGenerator()


class OutgoingWire:
    """Where the wire taps report. Nothing here raises or blocks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.wanted = audit.reader.wanted

    @contextmanager
    def chain(self) -> Iterator[Chain]:
        """Hold together the hops of one call; the calls that it makes inside are its own."""
        chain = Chain()
        token = chains.current.set(chain)
        try:
            yield chain
        finally:
            chains.current.reset(token)

    def begin(self, read: Callable[[], RequestView], *, across_spans: bool = False) -> _Hop | None:
        """Tell that a request is about to be sent.

        ``across_spans``: the library starts a span for each hop, and :meth:`chain` holds them.
        ``None`` where keytrail is not to look: an exporter's own request, or a fault of ours.
        """
        try:
            if otel_context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
                return None
            return self._begin(read(), chains.current.get() if across_spans else None)
        except Exception as error:  # noqa: BLE001 - the call goes on, unseen and counted
            faults.report("outgoing", error)
            return None

    def _begin(self, view: RequestView, spanning: Chain | None) -> _Hop:
        span = trace.get_current_span()
        call = _dropped_call(span)
        own = chain_on(span) if call or _is_recorded_call(span) else Chain()
        chain = spanning or own
        chain.seen = True
        if chain.first_host is None:
            chain.first_host = (view.host, view.port)
        read = self._audit.reader.outgoing(view, chain.first_host, chain.redirected)
        remembered = [self._audit.memory.remember(*secret) for secret in read.secrets]
        if read.user_tokens:
            self._audit.uses.user_tokens(read.user_tokens)
        hop = self._hop(span, call, own, chain, view, read.facts)
        self._audit.memory.bind(hop.trace_id, remembered)
        return hop

    def _hop(
        self,
        span: trace.Span,
        call: DroppedCall | None,
        own: Chain,
        chain: Chain,
        view: RequestView,
        facts: RequestFacts,
    ) -> _Hop:
        context = span.get_span_context()
        if not facts.keys:
            return _Hop(chain, context.trace_id)
        own.uses += 1
        if own.uses > 1 or (call is None and not _is_recorded_call(span)):
            context, call = _further_call(context, view)
        if call is None:
            return _SpanHop(self._audit, chain, span, facts)
        return _OwnHop(self._audit, chain, context, call, facts)


class _Hop:
    """One request on the wire; this one carries no key, but a redirect may follow it."""

    def __init__(self, chain: Chain, trace_id: int) -> None:
        self._chain = chain
        self.trace_id = trace_id

    def finish(self, status: int) -> None:
        """Tell that the response's head arrived with ``status``."""
        self._chain.last_status = status

    def fail(self, error: BaseException) -> None:
        """Tell that no response came."""


class _SpanHop(_Hop):
    """A use whose span is the application's own CLIENT span."""

    def __init__(self, audit: Audit, chain: Chain, span: Any, facts: RequestFacts) -> None:
        super().__init__(chain, span.get_span_context().trace_id)
        self._use = OpenUse(facts, {}, {})
        audit.begin(span, self._use, marked=True)

    def finish(self, status: int) -> None:
        super().finish(status)
        self._use.status = status

    def fail(self, error: BaseException) -> None:
        self._use.error = type(error).__qualname__


class _OwnHop(_Hop):
    """A use that exists in the journal only: late promotion, a further hop, an untraced call."""

    def __init__(
        self,
        audit: Audit,
        chain: Chain,
        context: SpanContext,
        call: DroppedCall,
        facts: RequestFacts,
    ) -> None:
        super().__init__(chain, context.trace_id)
        self._audit = audit
        self._context = context
        self._call = call
        self._use = OpenUse(facts, call.attributes, {})

    def finish(self, status: int) -> None:
        super().finish(status)
        self._use.status = status
        self._end(dict.fromkeys(status_names(self._call.attributes), status), Status())

    def fail(self, error: BaseException) -> None:
        self._use.error = type(error).__qualname__
        self._end({"error.type": self._use.error}, Status(StatusCode.ERROR))

    def _end(self, ending: Mapping[str, Any], status: Status) -> None:
        try:
            span = ReadableSpan(
                name=self._call.name,
                context=self._context,
                parent=self._call.parent,
                resource=self._audit.resource,
                attributes={**self._call.attributes, **ending},
                kind=SpanKind.CLIENT,
                status=status,
                start_time=self._call.start_time,
                end_time=time.time_ns(),
                instrumentation_scope=_SCOPE,
            )
            self._audit.finished(Finished(span, self._use))
        except Exception as error:  # noqa: BLE001 - the response goes to the application
            faults.report("outgoing.end", error)


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


def _further_call(parent: SpanContext, view: RequestView) -> tuple[SpanContext, DroppedCall]:
    """Make a CLIENT span of the journal's own: child of ``parent`` where there is one."""
    context = SpanContext(
        trace_id=parent.trace_id if parent.is_valid else _ids.generate_trace_id(),
        span_id=_ids.generate_span_id(),
        is_remote=False,
        trace_flags=parent.trace_flags,
        trace_state=plain(parent.trace_state),
    )
    attributes = {
        "http.request.method": view.method,
        "url.full": _url(view),
        "server.address": view.host,
        **({} if view.port is None else {"server.port": view.port}),
    }
    call = DroppedCall(view.method, attributes, parent if parent.is_valid else None, time.time_ns())
    return context, call


def _url(view: RequestView) -> str:
    host = f"[{view.host}]" if ":" in view.host else view.host
    port = "" if view.port is None else f":{view.port}"
    query = "?" + view.query.decode("latin-1") if view.query else ""
    return f"{view.scheme}://{host}{port}{view.path}{query}"
