"""The client's address on spans: no more of it than the policy allows, whoever put it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from keytrail.capture.client_address import forwarded_entries, truncated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from keytrail.capture.client_address import Policy

OF_CLIENT: Final = frozenset(
    {
        "client.address",
        "client.socket.address",
        "http.client_ip",
        "net.peer.ip",
        "net.peer.name",
        "net.sock.peer.addr",
        "net.sock.peer.name",
        "network.peer.address",
    }
)
"""Where instrumentations of servers put the client's address, in either convention; on spans of
calls that we make these are the addresses of whom we called."""

FORWARDING: Final = frozenset(
    {
        "cf-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-forwarded-for",
        "x-original-forwarded-for",
        "x-real-ip",
    }
)
"""Headers by which proxies tell the client's address; they may be captured as attributes."""

_CAPTURED = ("http.request.header.", "rpc.request.metadata.", "rpc.grpc.request.metadata.")
_OUTGOING = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})
_UNKNOWN = "unknown"
"""What RFC 7239 says for an address that is not told."""


class AddressPolicy:
    """Leaves of each client's address what ``policy`` allows: all, the network, or nothing."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def spans(self, spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
        """Return the spans; those that hold no more than is allowed are the very same objects."""
        if self._policy == "full":
            return spans
        return [self._span(span) for span in spans]

    def attributes(self, attributes: Mapping[str, Any], *, outgoing: bool) -> dict[str, Any]:
        """Return what is allowed of a span's attributes; ``outgoing`` for a call that we make."""
        kept = dict(attributes)
        if self._policy == "full":
            return kept
        for name in self._named(attributes, outgoing):
            allowed = None if self._policy == "none" else _networks(name, kept[name])
            if allowed is None:
                del kept[name]
            else:
                kept[name] = allowed
        return kept

    def _span(self, span: ReadableSpan) -> ReadableSpan:
        held = span._attributes or {}
        outgoing = span.kind in _OUTGOING
        if not self._named(held, outgoing):
            return span
        kept = self.attributes(held, outgoing=outgoing)
        bounded = BoundedAttributes(attributes=kept, extended_attributes=True)
        bounded.dropped = span.dropped_attributes
        return with_attributes(span, bounded)

    @staticmethod
    def _named(attributes: Iterable[str], outgoing: bool) -> list[str]:
        return [
            name
            for name in attributes
            if (not outgoing and name in OF_CLIENT)
            or (name.startswith(_CAPTURED) and _header(name) in FORWARDING)
        ]


def with_attributes(span: ReadableSpan, attributes: Mapping[str, Any]) -> ReadableSpan:
    """Return a copy of ``span`` that has these attributes instead."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span._events or (),
        links=span._links or (),
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _header(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "-").lower()


def _networks(name: str, value: Any) -> Any:
    """Return the networks that an attribute's addresses are in; ``None`` where it has none."""
    if not name.startswith(_CAPTURED):
        return truncated(value) if isinstance(value, str) else None
    if isinstance(value, str):
        return _entries(_header(name), value)
    if not isinstance(value, tuple | list):
        return None
    return tuple(_entries(_header(name), str(line)) for line in value)


def _entries(header: str, line: str) -> str:
    entries = [truncated(entry) or _UNKNOWN for entry in forwarded_entries(header, line)]
    form = "for={}" if header == "forwarded" else "{}"
    return ", ".join(form.format(_quoted(entry, header)) for entry in entries)


def _quoted(address: str, header: str) -> str:
    return f'"[{address}]"' if header == "forwarded" and ":" in address else address
