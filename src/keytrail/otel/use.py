"""One use between its beginning and the journal: keytrail's own record, whatever the SDK keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keytrail import semconv
from keytrail.capture import challenge
from keytrail.capture.facts import RequestFacts
from keytrail.capture.outcome import Outcome, Reason, grpc_outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.capture.facts import Attribute
    from keytrail.otel.incoming import Incoming

_CONVENTIONS = (
    ("http.request.method", "http.response.status_code"),
    ("http.method", "http.status_code"),
)
"""Method and status, in the stable semantic convention and in the one before."""
_GRPC_CODES = ("rpc.grpc.status_code", "rpc.response.status_code")
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
        "carries_key",
        "challenges",
        "error",
        "said",
        "start_attributes",
        "status",
    )

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
        self.challenges: Sequence[str] = ()
        """What the wire said of the key, where it was denied."""
        self.error: str | None = None
        """Type name of what the wire raised."""

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

    def outcome(self, attributes: Mapping[str, Any], *, failed: bool) -> Outcome:
        """Tell how the use ended, from the wire and else from its span."""
        for name in _GRPC_CODES:
            code = attributes.get(name)
            if isinstance(code, int | str):
                return grpc_outcome(code)
        return outcome(self.status_in(attributes), failed=failed or self.error is not None)

    def reason(self, attributes: Mapping[str, Any], told: Outcome) -> Reason | None:
        """Tell why the key was denied, where the response's challenge says so."""
        if told != "denied":
            return None
        captured = [str(attributes[name]) for name in _CHALLENGES if name in attributes]
        return challenge.reason_in(self.challenges or captured, key_presented=self.carries_key)

    def status_in(self, attributes: Mapping[str, Any]) -> int | None:
        """Return the HTTP status: the wire's own, else the span's in either convention."""
        if self.status is not None or self.error is not None:
            return self.status
        for _, name in _CONVENTIONS:
            status = attributes.get(name)
            if isinstance(status, int):
                return status
        return None


class Finished(NamedTuple):
    """A use that has ended, on its way to the journal."""

    span: ReadableSpan
    use: OpenUse


def is_http_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a CLIENT span's attributes are an HTTP request's, in either convention.

    Every stock HTTP instrumentation sets the method when it starts the span; clients of databases
    and queues that send over HTTP do not.
    """
    return "http.method" in attributes or "http.request.method" in attributes


def status_names(attributes: Mapping[str, Any]) -> list[str]:
    """Return the attributes that hold the status in the conventions that ``attributes`` follow."""
    return [status for method, status in _CONVENTIONS if method in attributes]
