"""The hops of outgoing calls: uses on the CLIENT span that they belong to, or beside it."""

from __future__ import annotations

import time
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from keytrail import faults
from keytrail.capture.outcome import outcome
from keytrail.otel.chain import REDIRECTS
from keytrail.otel.use import OpenUse, status_names
from keytrail.otel.verdict import DroppedCall, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keytrail.capture.facts import RequestFacts
    from keytrail.capture.view import RequestView
    from keytrail.otel.audit import Audit
    from keytrail.otel.chain import Chain

    Challenges = Callable[[], Sequence[str]]
    """Reads the challenges of a response."""

_SCOPE = InstrumentationScope("keytrail")
_entropy = SystemRandom()
"""Not the global generator, whose numbers are the application's: it may have seeded it."""


class Hop:
    """One request on the wire; a redirect may follow it."""

    is_use = False
    """Whether it carries a key."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def finish(self, status: int, challenges: Challenges = tuple) -> None:  # noqa: ARG002
        """Tell that the response's head arrived with ``status``; ``challenges`` reads them."""
        self._chain.last_status = status

    def fail(self, error: BaseException) -> None:  # noqa: ARG002 - uses name it
        """Tell that no response came."""
        self._chain.last_status = None

    def amend(self, facts: RequestFacts) -> None:
        """Tell more of a request that is a use."""


class KeylessHop(Hop):
    """A request without a key: it matters only where it leads."""

    def __init__(self, chain: Chain, read: Callable[[], RequestView]) -> None:
        self._chain = chain
        self._read = read

    def finish(self, status: int, challenges: Challenges = tuple) -> None:  # noqa: ARG002
        """Keep where the chain began, if a redirect leads on from here."""
        self._chain.last_status = status
        if status in REDIRECTS and self._chain.first_host is None:
            try:
                view = self._read()
            except Exception as error:  # noqa: BLE001 - the response goes to the application
                faults.report("outgoing.redirect", error)
            else:
                self._chain.first_host = (view.host, view.port)


class SpanHop(Hop):
    """A use whose span is the application's own CLIENT span."""

    is_use = True

    def __init__(self, audit: Audit, chain: Chain, facts: RequestFacts, span: Any) -> None:
        super().__init__(chain)
        self._audit = audit
        self._span = span
        self._use = OpenUse(facts, {}, {})
        audit.begin(span, self._use)

    def amend(self, facts: RequestFacts) -> None:
        """Put the facts that are known now onto the span."""
        self._use.amend(facts)
        self._audit.begin(self._span, self._use)

    def finish(self, status: int, challenges: Challenges = tuple) -> None:
        """Tell the span's use how its first hop was answered."""
        super().finish(status)
        self._use.status = status
        self._use.challenges = _challenges(status, challenges)

    def fail(self, error: BaseException) -> None:
        """Tell the span's use what its first hop raised."""
        super().fail(error)
        self._use.error = type(error).__qualname__


class OwnHop(Hop):
    """A use that exists in the journal only: late promotion, a further hop, an untraced call."""

    is_use = True

    def __init__(
        self,
        audit: Audit,
        chain: Chain,
        facts: RequestFacts,
        context: SpanContext,
        call: DroppedCall,
    ) -> None:
        super().__init__(chain)
        self._audit = audit
        self._context = context
        self._call = call
        self._use = OpenUse(facts, call.attributes, {})
        audit.follow(self._span({}, Status(), None), self._use)

    def amend(self, facts: RequestFacts) -> None:
        """Keep the facts that are known now."""
        self._use.amend(facts)

    def finish(self, status: int, challenges: Challenges = tuple) -> None:
        """End the use with the response's status."""
        super().finish(status)
        self._use.status = status
        self._use.challenges = _challenges(status, challenges)
        self._end(dict.fromkeys(status_names(status, self._call.attributes), status), Status())

    def fail(self, error: BaseException) -> None:
        """End the use with what was raised."""
        super().fail(error)
        self._use.error = type(error).__qualname__
        self._end({"error.type": self._use.error}, Status(StatusCode.ERROR))

    def _end(self, ending: Mapping[str, Any], status: Status) -> None:
        try:
            self._audit.open.pop(self._context.span_id, None)
            self._audit.finished(self._span(ending, status, time.time_ns()), self._use)
        except Exception as error:  # noqa: BLE001 - the response goes to the application
            faults.report("outgoing.end", error)

    def _span(self, ending: Mapping[str, Any], status: Status, end: int | None) -> ReadableSpan:
        return ReadableSpan(
            name=self._call.name,
            context=self._context,
            parent=self._call.parent,
            resource=self._audit.resource,
            attributes={**self._call.attributes, **ending},
            kind=SpanKind.CLIENT,
            status=status,
            start_time=self._call.start_time,
            end_time=end,
            instrumentation_scope=_SCOPE,
        )


@faults.guarded("outgoing.challenges", ())
def _challenges(status: int, challenges: Challenges) -> Sequence[str]:
    return challenges() if outcome(status, failed=False) == "denied" else ()


def further_call(parent: SpanContext, view: RequestView) -> tuple[SpanContext, DroppedCall]:
    """Make a CLIENT span of the journal's own: child of ``parent`` where there is one.

    It is unsampled, whatever its parent is: no ordinary trace ever has it.
    """
    context = SpanContext(
        trace_id=parent.trace_id if parent.is_valid else _entropy.randrange(1, 1 << 128),
        span_id=_entropy.randrange(1, 1 << 64),
        is_remote=False,
        trace_flags=TraceFlags(parent.trace_flags & ~TraceFlags.SAMPLED),
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
