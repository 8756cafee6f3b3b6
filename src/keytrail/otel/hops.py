"""The hops of outgoing calls: uses on the CLIENT span that they belong to, or beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from keytrail import faults
from keytrail.capture.outcome import outcome
from keytrail.otel.use import Finished, OpenUse, status_names
from keytrail.otel.verdict import DroppedCall, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.capture.facts import RequestFacts
    from keytrail.capture.view import RequestView
    from keytrail.otel.audit import Audit
    from keytrail.otel.chain import Chain

Challenges = Callable[[], Sequence[str]]
"""Reads the challenges of a response."""

_SCOPE = InstrumentationScope("keytrail")
_ids = RandomIdGenerator()


class Hop:
    """One request on the wire that turned out to carry no key; a redirect may follow it."""

    def __init__(self, chain: Chain, trace_id: int) -> None:
        self._chain = chain
        self.trace_id = trace_id

    def finish(self, status: int, challenges: Challenges = tuple) -> None:  # noqa: ARG002
        """Tell that the response's head arrived with ``status``; ``challenges`` reads them."""
        self._chain.last_status = status

    def fail(self, error: BaseException) -> None:
        """Tell that no response came."""


class SpanHop(Hop):
    """A use whose span is the application's own CLIENT span."""

    def __init__(self, audit: Audit, chain: Chain, facts: RequestFacts, span: Any) -> None:
        super().__init__(chain, span.get_span_context().trace_id)
        self._use = OpenUse(facts, {}, {})
        audit.begin(span, self._use)

    def finish(self, status: int, challenges: Challenges = tuple) -> None:
        """Tell the span's use how its first hop was answered."""
        super().finish(status)
        self._use.status = status
        self._use.challenges = _challenges(status, challenges)

    def fail(self, error: BaseException) -> None:
        """Tell the span's use what its first hop raised."""
        self._use.error = type(error).__qualname__


class OwnHop(Hop):
    """A use that exists in the journal only: late promotion, a further hop, an untraced call."""

    def __init__(
        self,
        audit: Audit,
        chain: Chain,
        facts: RequestFacts,
        context: SpanContext,
        call: DroppedCall,
    ) -> None:
        super().__init__(chain, context.trace_id)
        self._audit = audit
        self._context = context
        self._call = call
        self._use = OpenUse(facts, call.attributes, {})

    def finish(self, status: int, challenges: Challenges = tuple) -> None:
        """End the use with the response's status."""
        super().finish(status)
        self._use.status = status
        self._use.challenges = _challenges(status, challenges)
        self._end(dict.fromkeys(status_names(self._call.attributes), status), Status())

    def fail(self, error: BaseException) -> None:
        """End the use with what was raised."""
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


@faults.guarded("outgoing.challenges", ())
def _challenges(status: int, challenges: Challenges) -> Sequence[str]:
    return challenges() if outcome(status, failed=False) == "denied" else ()


def further_call(parent: SpanContext, view: RequestView) -> tuple[SpanContext, DroppedCall]:
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
