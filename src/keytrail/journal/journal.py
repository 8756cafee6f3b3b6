"""The journal of one process: every use on disk first, then delivered where an endpoint is set."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from opentelemetry import metrics
from opentelemetry.sdk.environment_variables import OTEL_BSP_SCHEDULE_DELAY

from keytrail.journal.accounting import Accounting, Trouble
from keytrail.journal.bounds import Bounds
from keytrail.journal.delivery import Delivery
from keytrail.journal.history import History
from keytrail.journal.otlp import Destination, build_exporter, destination
from keytrail.journal.queue import AuditQueue
from keytrail.journal.records import Origin, encode_record, origin_content
from keytrail.journal.segment import now
from keytrail.journal.sender import Form
from keytrail.journal.strangers import Strangers
from keytrail.journal.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from keytrail.settings import Settings

Item = TypeVar("Item")

_MAX_KNOWN: Final = 64
_HOLD_BATCHES: Final = 2
"""How many batch delays of the ordinary pipeline a use waits for its own span to be accepted."""
_DEFAULT_BATCH_DELAY: Final = 5.0


class _Known(NamedTuple):
    origin: Origin
    """Kept so that its objects' ids stay theirs."""
    id: str


class Journal(Generic[Item]):
    """What the OpenTelemetry components write to.

    ``prepare`` turns a batch of items into one encoded line each, in the audit thread; it asks
    :meth:`origin_id` for every span. ``start`` goes into the start record. ``running`` is asked,
    there too, for items to write that are not finished, before finished ones are.
    """

    def __init__(
        self,
        settings: Settings,
        prepare: Callable[[Sequence[Item]], list[bytes]],
        start: Mapping[str, Any],
        running: Callable[[], Sequence[Item]] = tuple,
    ) -> None:
        self.accounting = Accounting(delivers=settings.otlp_endpoint is not None)
        self.accounting.observe(metrics.get_meter("keytrail"))
        self._known: dict[tuple[int, int], _Known] = {}
        self._origins: dict[str, bytes] = {}
        self._strangers = Strangers(settings.home)
        self._history = History(settings.home, settings, os.environ)
        start = {**start, "settings": self._history.settings}
        self._bounds = Bounds(
            settings.home,
            settings.journal_bytes,
            settings.journal_days,
            self.accounting,
            self._strangers,
        )
        self._destination = destination(settings)
        self._sends_spans = settings.otlp_form != "logs"
        self._delivery = self._delivering(settings)
        self._writer = self._writing(settings, start, self._strangers)
        self._strangers_writer = self._writing(settings, start, None)
        self._queue = AuditQueue(
            prepare,
            self._write,
            self.accounting,
            size=settings.queue_size,
            interval=settings.journal_interval,
            running=running,
        )
        if settings.strict == "on":
            self._queue.alone(self._try_to_write)
            self._queue.attend()
        _after_fork(self)

    def _writing(
        self, settings: Settings, start: Mapping[str, Any], strangers: Strangers | None
    ) -> Writer:
        return Writer(
            settings.home,
            start,
            self._bounds,
            self.accounting,
            most_bytes=settings.journal_bytes,
            on_begin=None if self._delivery is None else self._delivery.own,
            strangers=strangers,
            history=None if strangers is None else self._history,
            sync=settings.journal_sync == "batch",
            strict=settings.strict == "on" and strangers is not None,
        )

    def _delivering(self, settings: Settings) -> Delivery | None:
        target = self._destination
        if target is None:
            return None
        return Delivery(
            settings.home,
            _forms(target, settings),
            target.name,
            self.accounting,
            hold=_HOLD_BATCHES * _batch_delay(os.environ) if self._sends_spans else 0,
        )

    def put(self, item: Item) -> None:
        """Hand a use over; never blocks, never raises."""
        self._queue.put(item)

    def attend(self) -> None:
        """Begin to ask for running items, before anything was put."""
        self._queue.attend()

    def trouble(self) -> Trouble | None:
        """Return why uses cannot be written now: a reason of a drop, or ``stalled``."""
        self._queue.attend()
        return self._queue.trouble or self._writer.trouble

    def flush(self, timeout: float) -> bool:
        """Return whether all uses put before are on disk within ``timeout`` seconds.

        May be called from a signal handler.
        """
        return self._queue.flush(timeout)

    def deliver(self, timeout: float) -> bool:
        """Return whether all uses put before are at the endpoint within ``timeout`` seconds.

        Without an endpoint they are on disk, which is all there is to do.
        """
        deadline = time.monotonic() + timeout
        written = self._queue.flush(timeout)
        if self._delivery is None:
            return written
        return self._delivery.drain(max(0.0, deadline - time.monotonic())) and written

    def accepted(self, ids: Iterable[tuple[int, int]]) -> None:
        """Hear which uses, by trace and span id, the ordinary pipeline brought to our endpoint."""
        if self._delivery is not None and self._sends_spans:
            self._delivery.accepted(ids)

    def delivers_like(self, exporter: SpanExporter) -> bool:
        """Return whether ``exporter`` sends to where the journal delivers; no where unclear."""
        target = self._destination
        return target is not None and self._sends_spans and target.is_of(exporter)

    @property
    def is_at_work(self) -> bool:
        """Whether a use was put in this process, and it is not written or its segment not ended."""
        begun = self._writer.has_begun or self._strangers_writer.has_begun
        return self.accounting.snapshot().seen > 0 and (self._queue.is_open or begun)

    def close(self, timeout: float, *, to_write: float = 0.0) -> bool:
        """Flush, deliver what can be within ``timeout`` seconds, and write the stop record.

        The disk gets ``to_write`` seconds where that is more. Returns whether nothing was left to
        do. A use put later is written at once.
        """
        self._writer.write_last()
        self._strangers_writer.write_last()
        begun = time.monotonic()
        written_by = begun + max(timeout, to_write)
        done = self._queue.close(max(timeout, to_write)) and self._queue.alone(
            self._end_segments, max(0.0, written_by - time.monotonic())
        )
        if self._delivery is not None:
            done = self._delivery.close(max(0, begun + timeout - time.monotonic())) and done
        return done

    def pause(self, timeout: float) -> bool:
        """Flush and write the stop record; a use that is put later begins another segment."""
        begun = time.monotonic()
        return self._queue.flush(timeout) and self._queue.alone(
            self._end_segments, max(0.0, begun + timeout - time.monotonic())
        )

    def origin_id(self, span: ReadableSpan) -> str:
        """Return the id of the span's origin and see to it that the segment tells what it is."""
        resource, scope = span.resource, span.instrumentation_scope
        known = self._known.get((id(resource), id(scope)))
        if known is None or known.origin != (resource, scope):
            known = self._learn(Origin(resource, scope))
        return known.id

    def _learn(self, origin: Origin) -> _Known:
        content = origin_content(origin)
        self._origins[content["origin"]] = encode_record("origin", now(), **content)
        known = _Known(origin, content["origin"])
        self._known[id(origin.resource), id(origin.scope)] = known
        return known

    def _write(self, lines: list[bytes]) -> list[bytes]:
        others, strangers = self._strangers.part(lines)
        kept = self._writer.write(others, self._origins)
        if not self._bounds.is_near:
            kept += self._strangers_writer.write(strangers, self._origins)
        else:
            self._fold(strangers)
        if not kept and len(self._known) > _MAX_KNOWN:
            self._known.clear()
            self._origins.clear()
        return kept

    def _try_to_write(self) -> None:
        self._writer.write([], self._origins)

    def _fold(self, strangers: list[bytes]) -> None:
        self._strangers_writer.close()  # so that its segment can make room
        self._strangers.fold(strangers)
        self.accounting.dropped("folded", len(strangers))

    def _end_segments(self) -> None:
        self._strangers_writer.close()
        self._writer.close()

    def _begin_again(self) -> None:
        self.accounting.reset()
        self._strangers.begin()
        self._writer.after_fork()
        self._strangers_writer.after_fork()
        self._queue.after_fork()
        if self._delivery is not None:
            self._delivery.after_fork()


def _forms(target: Destination, settings: Settings) -> list[Form]:
    forms = []
    if settings.otlp_form != "logs":
        forms.append(Form(lambda heard: build_exporter(target, settings, heard), lambda span: span))
    if settings.otlp_form != "spans":
        from keytrail.journal.log_event import log_event

        forms.append(Form(lambda heard: build_exporter(target, settings, heard, "logs"), log_event))
    return forms


def _after_fork(journal: Journal[Item]) -> None:
    living = weakref.ref(journal)

    def begin_again() -> None:
        if (found := living()) is not None:
            found._begin_again()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_again)


def _batch_delay(environ: Mapping[str, str]) -> float:
    try:
        return max(0.0, int(environ[OTEL_BSP_SCHEDULE_DELAY]) / 1000)
    except (KeyError, ValueError):
        return _DEFAULT_BATCH_DELAY
