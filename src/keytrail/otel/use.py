"""One use between its beginning and the journal: keytrail's own record, whatever the SDK keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import StatusCode

from keytrail import semconv
from keytrail.capture import challenge
from keytrail.capture.facts import RequestFacts
from keytrail.capture.outcome import GRPC_NAMES, Outcome, Reason, is_grpc, outcome
from keytrail.otel import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.capture.facts import Attribute
    from keytrail.otel.incoming import Incoming

_CONVENTIONS = (
    ("http.request.method", "http.response.status_code"),
    ("http.method", "http.status_code"),
)
"""Method and status, in the stable semantic convention and in the one before."""
_RPC_STATUS = "rpc.grpc.status_code"
_STATUSES = (_RPC_STATUS, *(status for _, status in _CONVENTIONS))
_GRPC_CODES = {name: code for code, name in enumerate(GRPC_NAMES)}
_CALLS = frozenset({"http.method", "http.request.method", "rpc.system", "rpc.system.name"})
_CHALLENGES = tuple(
    f"http.response.header.{name}"
    for header in challenge.HEADERS
    for name in (header, header.replace("-", "_"))
)
"""Where instrumentations that capture response headers put a challenge."""


class OpenUse:
    """What keytrail knows of a use while it runs."""

    __slots__ = (
        "_request",
        "ask_status",
        "carries_key",
        "challenges",
        "error",
        "noticed",
        "said",
        "span",
        "start_attributes",
        "status",
        "told",
    )

    span: ReadableSpan
    """The span that stands for it; set when it is followed."""

    def __init__(
        self,
        request: RequestFacts | Incoming,
        start_attributes: Mapping[str, Any],
        said: Mapping[str, str],
    ) -> None:
        self._request = request
        self.carries_key = request.carries_key
        self.start_attributes = start_attributes
        self.said = said
        self.status: int | None = None
        """What the wire said; where a span covers several hops, of the first one."""
        self.ask_status: Callable[[], int | None] | None = None
        """Tells at the span's end what the wire says, where only that knows."""
        self.challenges: Sequence[str] = ()
        """What the wire said of the key, where it was denied."""
        self.error: str | None = None
        """Type name of what the wire raised."""
        self.noticed: float | None = None
        """When the audit thread first saw it running, on the monotonic clock."""
        self.told = False
        """Whether it was journaled before its end."""

    def amend(self, facts: RequestFacts) -> None:
        """Replace what is known of a request with a key, which had more added to it."""
        self._request = facts

    @property
    def facts(self) -> RequestFacts:
        """What is known of the request."""
        request = self._request
        return request if isinstance(request, RequestFacts) else request.facts

    def marks(self, span: ReadableSpan) -> dict[str, Attribute]:
        """Return the ``keytrail.*`` attributes of the use on ``span``, but for the outcome."""
        found = self.facts.attributes()
        found.update(self.said)
        found[semconv.USE_TIME] = span.start_time or 0
        found[semconv.SAMPLED] = span.context.trace_flags.sampled
        return found

    def settle(self) -> None:
        """Ask the wire for its status, while the request is still being answered."""
        if self.ask_status is not None:
            self.status = self.ask_status()

    def outcome(self, span: ReadableSpan) -> Outcome:
        """Tell how the use ended, from the wire and else from its span."""
        failed = self.error is not None or span.status.status_code is StatusCode.ERROR
        return outcome(self.status_in(limits.held(span)), failed=failed)

    def reason(self, attributes: Mapping[str, Any], told: Outcome) -> Reason | None:
        """Tell why the key was denied, where the response's challenge says so."""
        if told != "denied":
            return None
        captured = [str(attributes[name]) for name in _CHALLENGES if name in attributes]
        return challenge.reason_in(self.challenges or captured, key_presented=self.carries_key)

    def status_in(self, attributes: Mapping[str, Any]) -> int | None:
        """Return the HTTP status or gRPC code: the wire's own, else the span's."""
        if self.status is not None or self.error is not None:
            return self.status
        if (code := attributes.get("rpc.response.status_code")) is not None:
            return _GRPC_CODES.get(str(code).upper())
        for name in _STATUSES:
            status = attributes.get(name)
            if isinstance(status, int):
                return status
        return None


class Entry(NamedTuple):
    """A use on its way to the journal."""

    span: ReadableSpan
    use: OpenUse
    ended: bool = True
    """``False`` where it is told while it runs; another entry follows if its end is seen."""


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a CLIENT span's attributes are an HTTP or RPC call's, in either convention.

    Every stock instrumentation of such a client sets the method or the RPC system when it starts
    the span; clients of databases and queues that send over HTTP do not.
    """
    return not _CALLS.isdisjoint(attributes)


def status_names(status: int, attributes: Mapping[str, Any]) -> list[str]:
    """Return the attributes that hold ``status`` in the conventions that ``attributes`` follow."""
    if is_grpc(status):
        return [_RPC_STATUS]
    return [name for method, name in _CONVENTIONS if method in attributes]
