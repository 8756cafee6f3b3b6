"""What the OpenTelemetry components share: one reader, one memory of keys, one journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource

from keytrail import faults
from keytrail.capture.pepper import load_peppers
from keytrail.capture.reader import Read, RequestReader
from keytrail.journal.journal import Journal
from keytrail.otel import limits
from keytrail.otel.declared import sensitive_query_parameters
from keytrail.otel.lines import prepare
from keytrail.otel.usage import UseCounter
from keytrail.redaction.memory import KeyMemory, Remembered
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import Span

    from keytrail.otel.use import Finished, OpenUse

_MAX_OPEN = 100_000
"""Spans with a use that may run at once; beyond it the oldest is taken for never-ending."""


class Audit:
    """The audit of one process. Give the same one to every keytrail component of the process."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Read keys and write uses as ``settings`` say (default: from the environment)."""
        self.settings = Settings.from_env() if settings is None else settings
        self.peppers = load_peppers(self.settings)
        self.reader = RequestReader(self.settings, self.peppers.peppers)
        self.memory = KeyMemory()
        self.redactor = Redactor(
            SensitiveNames(
                self.reader.added_headers,
                (*self.reader.added_query, *sensitive_query_parameters()),
                self.settings.cookies,
            ),
            self.memory,
            self.reader.added_shapes,
        )
        self.uses = UseCounter()
        self.open: dict[int, OpenUse] = {}
        """Running uses by span id."""
        self.journal: Journal[Finished] = Journal(
            self.settings,
            lambda batch: prepare(
                batch,
                self.redactor,
                self.uses,
                self.journal.origin_id,
                whole_addresses=self.settings.client_address == "full",
            ),
            self._start(),
        )
        self.adopted_resource: Resource | None = None
        """The resource of the first provider that was adopted."""

    def _start(self) -> dict[str, Any]:
        return {
            "pepper_id": self.peppers.peppers.id,
            "pepper_from": self.peppers.origin,
            "keyless": self.settings.keyless,
            "jwt": self.settings.jwt,
            "client_address": self.settings.client_address,
            "delivery": "none" if self.settings.otlp_endpoint is None else "otlp",
        }

    @property
    def resource(self) -> Resource:
        """The resource of uses that have no span of a provider: that of the global one."""
        found = getattr(trace.get_tracer_provider(), "resource", None)
        if isinstance(found, Resource):
            return found
        if self.adopted_resource is None:
            self.adopted_resource = Resource.create()
        return self.adopted_resource

    def remember(self, read: Read) -> tuple[Remembered, ...]:
        """Let redaction know a request's secrets, and count the users' tokens among them."""
        if read.user_tokens:
            self.uses.user_tokens(read.user_tokens)
        return tuple([self.memory.remember(*secret) for secret in read.secrets])

    def begin(self, span: Span, use: OpenUse) -> None:
        """Follow a recorded span to its end, and put the facts of a key onto it now."""
        if len(self.open) >= _MAX_OPEN:
            self._forget_oldest()
        self.open[span.context.span_id] = use
        if limits.has_room(span):
            if use.carries_key:
                limits.held(span).update(use.marks(span))
        else:
            limits.keep_whole(span, use.start_attributes)

    def _forget_oldest(self) -> None:
        self.open.pop(next(iter(self.open)), None)
        faults.report("open_uses", OverflowError())

    def finished(self, finished: Finished) -> None:
        """Queue an ended use for the journal; one without a key only where it was denied."""
        span, use = finished
        if not use.carries_key:
            told = use.outcome(limits.held(span), failed=not span.status.is_ok)
            if told != "denied":
                self.uses.keyless(told)
                return
        self.journal.put(finished)

    def accepted(self, spans: Iterable[tuple[int, int]]) -> None:
        """Tell that the ordinary pipeline's destination took these (trace id, span id)."""
        self.journal.accepted(spans)

    def flush(self, timeout: float | None = None) -> bool:
        """Write what is in memory to disk; ``False`` when ``timeout`` seconds were not enough."""
        return self.journal.flush(self.settings.shutdown_timeout if timeout is None else timeout)

    def close(self) -> None:
        """Write, deliver what can be delivered within the shutdown timeout, and stop."""
        self.journal.close(self.settings.shutdown_timeout)
