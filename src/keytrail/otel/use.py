"""One use between its beginning and the journal: keytrail's own record, whatever the SDK keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from keytrail import semconv
from keytrail.capture.facts import RequestFacts
from keytrail.capture.outcome import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.capture.facts import Attribute
    from keytrail.otel.incoming import Incoming

_CONVENTIONS = (
    ("http.request.method", "http.response.status_code"),
    ("http.method", "http.status_code"),
)
"""Method and status, in the stable semantic convention and in the one before."""


class OpenUse:
    """What keytrail knows of a use while it runs."""

    __slots__ = (
        "_request",
        "carries_key",
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
        self.error: str | None = None
        """Type name of what the wire raised."""
        self.noticed: float | None = None
        """When the audit thread first saw it running, on the monotonic clock."""
        self.told = False
        """Whether it was journaled before its end."""

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
        return outcome(self.status_in(attributes), failed=failed or self.error is not None)

    def status_in(self, attributes: Mapping[str, Any]) -> int | None:
        """Return the HTTP status: the wire's own, else the span's in either convention."""
        if self.status is not None or self.error is not None:
            return self.status
        for _, name in _CONVENTIONS:
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


def is_http_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a CLIENT span's attributes are an HTTP request's, in either convention.

    Every stock HTTP instrumentation sets the method when it starts the span; clients of databases
    and queues that send over HTTP do not.
    """
    return "http.method" in attributes or "http.request.method" in attributes


def status_names(attributes: Mapping[str, Any]) -> list[str]:
    """Return the attributes that hold the status in the conventions that ``attributes`` follow."""
    return [status for method, status in _CONVENTIONS if method in attributes]
