"""What the propagator leaves in the Context for the sampler, the processor and the application."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from keytrail.capture.adapters.carriers import readable
from keytrail.capture.facts import RequestFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from keytrail.capture.adapters.carriers import CarrierAdapter
    from keytrail.capture.reader import RequestReader
    from keytrail.otel.audit import Audit
    from keytrail.redaction.memory import Remembered

_SLOT = otel_context.create_key("keytrail-incoming")
_LEFT = "keytrail.incoming"
_PEERS = ("network.peer.address", "net.peer.ip")
"""Where instrumentations of gRPC put the peer when they start the span."""

_arrived: ContextVar[Incoming | None] = ContextVar("keytrail-arrived", default=None)
"""The request that came in in this context, and whose carrier is still to come."""


class Incoming:
    """One incoming request on its way to its SERVER span; holds facts, never a raw key."""

    __slots__ = (
        "_client_of",
        "_facts",
        "carries_key",
        "joins",
        "remembered",
        "said",
        "span",
        "start_attributes",
    )

    def __init__(
        self,
        facts: RequestFacts | Callable[[], RequestFacts],
        remembered: tuple[Remembered, ...] = (),
        client_of: Callable[[str], str | None] | None = None,
    ) -> None:
        """``facts`` of a request that certainly carries no key may wait until they are needed.

        ``client_of`` tells the client by the peer, where only the span's attributes name that one.
        """
        self._facts = facts
        self._client_of = client_of
        self.carries_key = isinstance(facts, RequestFacts) and facts.carries_key
        """Whether the request carries a key."""
        self.joins = False
        """Whether its span will be INTERNAL, since another one is current; until that starts."""
        self.remembered = remembered
        self.span: Span | None = None
        """The recorded SERVER span that took these facts; a later one in the Context is inner."""
        self.start_attributes: Mapping[str, Any] = {}
        """The span's attributes at start, before any SDK limit."""
        self.said: dict[str, str] = {}
        """``keytrail.*`` attributes that the application added by :func:`keytrail.identify`."""

    @property
    def facts(self) -> RequestFacts:
        """What is known of the request."""
        if not isinstance(self._facts, RequestFacts):
            self._facts = self._facts()
        return self._facts

    @property
    def is_running(self) -> bool:
        """Whether it is recorded and has not been answered yet."""
        return self.span is not None and self.span.end_time is None

    def starts(self, attributes: Mapping[str, Any]) -> None:
        """Tell that the request's SERVER span starts with ``attributes``."""
        self.start_attributes = attributes
        if self._client_of is None:
            return
        facts, client_of = self._facts, self._client_of
        named = next((attributes[name] for name in _PEERS if name in attributes), "")
        peer = str(named).strip("[]")
        if isinstance(facts, RequestFacts):
            self._facts = facts._replace(client=client_of(peer))
        else:
            self._facts = lambda: facts()._replace(client=client_of(peer))

    def into(self, context: Context) -> Context:
        """Return ``context`` with this request in it."""
        return otel_context.set_value(_SLOT, self, context)


def read_carrier(audit: Audit, carrier: Any) -> Incoming | None:
    """Read the request that ``carrier`` belongs to; ``None`` for messages and unknown kinds."""
    found = readable(carrier)
    if found is None:
        return None
    adapter, carrier = found
    reader = audit.reader
    keyless = partial(_keyless, reader, adapter, carrier)
    client_of = partial(_client_of, keyless) if carrier.get("type") == "rpc" else None
    if not adapter.may_carry_key(carrier, reader):
        return Incoming(keyless, client_of=client_of)
    read = reader.incoming(adapter.view(carrier, reader))
    return Incoming(read.facts, audit.remember(read), client_of)


def request_of(audit: Audit, carrier: Any) -> Incoming | None:
    """Return the request that ``carrier`` belongs to, as it was before anybody could change it."""
    incoming = left_in(carrier) or read_carrier(audit, carrier)
    if incoming is None and isinstance(carrier, dict):
        return arrived()
    return incoming


def inner_request(audit: Audit, carrier: Any) -> Incoming | None:
    """Return the request of ``carrier``, if it is another one than the Context belongs to.

    It is the same while that is running: an application that is mounted in another, both of them
    instrumented. Of one that is not recorded nobody knows when it ends, but that it has no key.
    """
    outer = incoming_of()
    if outer is not None and outer.is_running:
        return None
    incoming = request_of(audit, carrier)
    if outer is not None and outer.span is None and incoming is not None:
        return incoming if incoming.carries_key else None
    return incoming


def _keyless(
    reader: RequestReader, adapter: CarrierAdapter, carrier: Any, **of_view: Any
) -> RequestFacts:
    return reader.keyless(adapter.view(carrier, reader)._replace(**of_view))


def _client_of(keyless: Callable[..., RequestFacts], peer: str) -> str | None:
    return keyless(peer=peer).client


def leave_in(carrier: Any, incoming: Incoming) -> None:
    """Leave ``incoming`` in a carrier that is on its way to the propagator, or in this context."""
    if carrier is None:
        _arrived.set(incoming)
    elif isinstance(carrier, dict):
        carrier[_LEFT] = incoming
    else:
        setattr(carrier, _LEFT, incoming)


def left_in(carrier: Any) -> Incoming | None:
    """Return what :func:`leave_in` left, for the one SERVER span that it is for."""
    held = carrier if isinstance(carrier, dict) else getattr(carrier, "__dict__", None)
    return held.pop(_LEFT, None) if held else None


def arrived() -> Incoming | None:
    """Return what :func:`leave_in` left in this context, for the first that asks."""
    incoming = _arrived.get()
    if incoming is not None:
        _arrived.set(None)
    return incoming


def incoming_of(context: Context | None = None) -> Incoming | None:
    """Return the request that ``context`` (default: the current one) belongs to."""
    found = (otel_context.get_current() if context is None else context).get(_SLOT)
    return found if isinstance(found, Incoming) else None


def without_incoming(context: Context) -> Context:
    """Return ``context`` without the facts that it may have inherited from an outer request."""
    if otel_context.get_value(_SLOT, context) is None:
        return context
    return otel_context.set_value(_SLOT, None, context)
