"""What the OpenTelemetry components share: one reader, one memory of keys, one journal."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource

from keytrail import faults
from keytrail.capture.pepper import load_peppers
from keytrail.capture.reader import Read, RequestReader
from keytrail.journal.journal import Journal
from keytrail.otel import limits
from keytrail.otel.addresses import AddressPolicy
from keytrail.otel.declared import sensitive_query_parameters
from keytrail.otel.lines import prepare
from keytrail.otel.open_uses import OpenUses
from keytrail.otel.usage import UseCounter
from keytrail.otel.use import Entry, OpenUse
from keytrail.redaction.memory import KeyMemory, Remembered
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, Span

    from keytrail.otel.incoming import Incoming


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
        self.addresses = AddressPolicy(self.settings.client_address)
        self.uses = UseCounter()
        self.open = OpenUses()
        self.journal: Journal[Entry] = Journal(
            self.settings,
            lambda batch: prepare(
                batch,
                self.redactor,
                self.uses,
                self.journal.origin_id,
                self.addresses,
            ),
            self._start(),
            self.open.untold,
        )
        self._attended = False
        _after_fork(self)
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
            self.adopted_resource = _resource_of_this_process()
        return self.adopted_resource

    def remember(self, read: Read) -> tuple[Remembered, ...]:
        """Let redaction know a request's secrets, and count the users' tokens among them."""
        if read.user_tokens:
            self.uses.user_tokens(read.user_tokens)
        return tuple([self.memory.remember(*secret) for secret in read.secrets])

    def allowed(self, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
        """Return what may leave the process of a batch of ordinary spans; clean ones as they are.

        What raises here must not be exported.
        """
        return self.redactor.spans(self.addresses.spans(spans))

    def take_up(self, span: Span, incoming: Incoming) -> None:
        """Take a recorded span for that of an incoming request."""
        incoming.span = span
        self.memory.bind(span.context.trace_id, incoming.remembered)
        self.begin(span, OpenUse(incoming, incoming.start_attributes, incoming.said))

    def begin(self, span: Span, use: OpenUse) -> None:
        """Follow a recorded span to its end, and put the facts of a key onto it now."""
        self.follow(span, use)
        if limits.has_room(span):
            if use.carries_key:
                limits.held(span).update(use.marks(span))
        else:
            limits.keep_whole(span, use.start_attributes)

    def follow(self, span: ReadableSpan, use: OpenUse) -> None:
        """Know of a use until its end, and tell it before if that is long in coming."""
        use.span = span
        self.open[span.context.span_id] = use
        if not self._attended:
            self._attended = True
            self.journal.attend()

    def finished(self, span: ReadableSpan, use: OpenUse) -> None:
        """Queue an ended use for the journal; one without a key only where it was denied."""
        if not use.carries_key:
            told = use.outcome(span)
            if told != "denied":
                self.uses.keyless(told)
                return
        self.journal.put(Entry(span, use))

    def accepted(self, spans: Iterable[tuple[int, int]]) -> None:
        """Tell that the ordinary pipeline's destination took these (trace id, span id)."""
        self.journal.accepted(spans)

    def flush(self, timeout: float | None = None) -> bool:
        """Write what is in memory to disk; ``False`` when ``timeout`` seconds were not enough."""
        return self.journal.flush(self.settings.shutdown_timeout if timeout is None else timeout)

    @property
    def is_at_work(self) -> bool:
        """Whether this process has seen a use, and not all that is to be written of it is."""
        return bool(self.open) or self.journal.is_at_work

    def close(self, timeout: float | None = None) -> None:
        """Write, deliver what can be within ``timeout`` (default: the shutdown timeout), and stop.

        The disk gets the whole shutdown timeout: a process that gets little of a busy machine needs
        a second for what is a few milliseconds of work. What still runs is told as it stands.
        """
        self.open.want_all()
        most = self.settings.shutdown_timeout
        self.journal.close(most if timeout is None else timeout, to_write=most)

    def _begin_again(self) -> None:
        """Leave to the parent, in a forked child, what was running there."""
        self.open.clear()
        self._attended = False


def _resource_of_this_process() -> Resource:
    """Return what the detectors find; what the environment says, where they cannot run.

    They run in threads, of which there are no new ones once the main thread has ended.
    """
    try:
        return Resource.create()
    except Exception as error:  # noqa: BLE001 - a use is worth more than its resource
        if not isinstance(error, RuntimeError):
            faults.report("resource", error)
        name = f"unknown_service:{Path(sys.executable or 'python').name}"
        return Resource({SERVICE_NAME: name}).merge(OTELResourceDetector().detect())


def _after_fork(audit: Audit) -> None:
    living = weakref.ref(audit)

    def begin_again() -> None:
        if (found := living()) is not None:
            found._begin_again()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_again)
