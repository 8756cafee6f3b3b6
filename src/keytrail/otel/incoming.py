"""What the propagator leaves in the Context for the sampler, the processor and the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from keytrail.capture.adapters.carriers import adapter_of
from keytrail.capture.facts import RequestFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from keytrail.otel.audit import Audit
    from keytrail.redaction.memory import Remembered

_SLOT = otel_context.create_key("keytrail-incoming")
_LEFT = "keytrail.incoming"


class Incoming:
    """One incoming request on its way to its SERVER span; holds facts, never a raw key."""

    __slots__ = ("_facts", "remembered", "said", "span", "start_attributes")

    def __init__(
        self,
        facts: RequestFacts | Callable[[], RequestFacts],
        remembered: tuple[Remembered, ...] = (),
    ) -> None:
        """``facts`` of a request that certainly carries no key may wait until they are needed."""
        self._facts = facts
        self.remembered = remembered
        self.span: Span | None = None
        """The recorded SERVER span that took these facts; a later one in the Context is inner."""
        self.start_attributes: Mapping[str, Any] = {}
        """The span's attributes at start, before any SDK limit."""
        self.said: dict[str, str] = {}
        """``keytrail.*`` attributes that the application added by :func:`keytrail.identify`."""

    @property
    def carries_key(self) -> bool:
        """Whether the request carries a key."""
        return isinstance(self._facts, RequestFacts) and self._facts.carries_key

    @property
    def facts(self) -> RequestFacts:
        """What is known of the request."""
        if not isinstance(self._facts, RequestFacts):
            self._facts = self._facts()
        return self._facts

    def into(self, context: Context) -> Context:
        """Return ``context`` with this request in it."""
        return otel_context.set_value(_SLOT, self, context)


def read_carrier(audit: Audit, carrier: Any) -> Incoming | None:
    """Read the request that ``carrier`` belongs to; ``None`` for messages and unknown kinds."""
    adapter = adapter_of(carrier)
    if adapter is None:
        return None
    reader = audit.reader
    if not adapter.may_carry_key(carrier, reader):
        return Incoming(lambda: reader.keyless(adapter.view(carrier, reader)))
    read = reader.incoming(adapter.view(carrier, reader))
    return Incoming(read.facts, audit.remember(read))


def leave_in(carrier: dict[str, Any], incoming: Incoming) -> None:
    """Leave ``incoming`` in a carrier that is on its way to the propagator."""
    carrier[_LEFT] = incoming


def left_in(carrier: Any) -> Incoming | None:
    """Return what :func:`leave_in` left, for the one SERVER span that it is for."""
    return carrier.pop(_LEFT, None) if isinstance(carrier, dict) else None


def incoming_of(context: Context | None = None) -> Incoming | None:
    """Return the request that ``context`` (default: the current one) belongs to."""
    found = otel_context.get_value(_SLOT, context)
    return found if isinstance(found, Incoming) else None


def without_incoming(context: Context) -> Context:
    """Return ``context`` without the facts that it may have inherited from an outer request."""
    if otel_context.get_value(_SLOT, context) is None:
        return context
    return otel_context.set_value(_SLOT, None, context)
