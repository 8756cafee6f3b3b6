"""Batches to the endpoint, with patience: how large, and when to try again."""

from __future__ import annotations

import logging
import time
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keytrail import faults
from keytrail.journal.answer import UNSENT, Answer, Meaning, unanswered
from keytrail.journal.exporter import ExporterMissingError
from keytrail.journal.listening import Heard
from keytrail.journal.parting import Parted, part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.journal.backlog import Line
    from keytrail.journal.exporter import Exporter

    Entry = tuple[Line, ReadableSpan]

THREAD: Final = "keytrail-delivery"
MAX_BATCH: Final = 512
_MIN_BATCH: Final = 2
"""One use alone could not be told from an endpoint that takes none."""
_BATCH_GROWTH: Final = 16
MAX_PAUSE: Final = 30.0
"""Most seconds between two attempts at an endpoint that fails, unless it asks for more."""
_EXPORTERS: Final = "opentelemetry.exporter"
_DICE: Final = SystemRandom()
"""Of our own: an application that has seeded ``random`` gets the numbers it expects."""

HINTS: Final[dict[Meaning, str]] = {
    "later": "is the endpoint up, and reachable from here?",
    "closed": "check KEYTRAIL_OTLP_ENDPOINT, KEYTRAIL_OTLP_PROTOCOL and KEYTRAIL_OTLP_HEADERS",
    "doubtful": "see what the endpoint logs; keytrail tries on",
    "refused": "the endpoint refuses empty requests too: is it one for OTLP?",
}


class Form(NamedTuple):
    """One form in which uses are delivered."""

    build_exporter: Callable[[Heard], Exporter]
    """May fail now and succeed later."""
    render: Callable[[ReadableSpan], Any]
    """A use as the exporter takes it."""


class Sender:
    """The exporter of one form, built at the first use. Used by the delivery thread alone."""

    def __init__(self, form: Form, endpoint: str) -> None:
        """``endpoint`` is what the destination is called in logs."""
        self._form = form
        self._endpoint = endpoint
        self._heard = Heard()
        self._exporter: Exporter | None = None
        self._told: set[str] = set()
        self._failures = 0
        self._not_before = 0.0
        self.batch = MAX_BATCH
        """How many uses the next request may hold; an endpoint may take only small ones."""

    @property
    def is_waiting(self) -> bool:
        """Whether the last attempt failed not long ago."""
        return time.monotonic() < self._not_before

    def send(self, batch: Sequence[Entry]) -> Parted[Entry]:
        """Return what became of each of ``batch``."""
        parted = part(batch, self._ask)
        if parted.left:
            self._pause(parted)
        elif parted.last is None:
            self._failures = 0
            self.batch = min(MAX_BATCH, self.batch + _BATCH_GROWTH)
        else:
            self._failures = 0
            self.batch = max(_MIN_BATCH, parted.largest)
        return parted

    def _pause(self, parted: Parted[Entry]) -> None:
        answer = parted.last or unanswered()
        pause = min(MAX_PAUSE, 2.0 ** min(self._failures, 5)) * _DICE.uniform(0.8, 1)
        self._not_before = time.monotonic() + max(pause, answer.wait)
        self._failures += 1
        if answer.meaning == "later":
            self.batch = max(_MIN_BATCH, len(parted.left) // 2)
        self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        if answer.told not in self._told:
            self._told.add(answer.told)
            faults.logger.warning(
                "delivery to %s: %s; uses wait in the journal\nhint: %s",
                self._endpoint,
                answer.told,
                HINTS[answer.meaning],
            )

    def _ask(self, batch: Sequence[Entry]) -> Answer:
        self._heard.forget()
        try:
            if self._exporter is None:
                self._exporter = _quiet(self._form.build_exporter(self._heard))
            success = (
                self._exporter.export([self._form.render(span) for _, span in batch]).name
                == "SUCCESS"
            )
        except ExporterMissingError as error:
            if not self._told:
                faults.logger.warning("%s", error)
            self._told.add("ExporterMissingError")
            return unanswered(error)
        except Exception as error:  # noqa: BLE001 - the uses wait, whatever the exporter does
            if self._heard.answer is not None:
                return self._heard.answer  # it tried again when its time was over
            faults.report("journal.sender", error)
            unsent = self._exporter is not None and self._heard.nothing_was_sent
            return UNSENT if unsent else unanswered(error)
        if self._heard.answer is not None:
            return self._heard.answer
        if success:
            return Answer("taken", "success")
        return UNSENT if self._heard.nothing_was_sent else unanswered()

    def close(self) -> None:
        """Let the exporter end its connections."""
        if self._exporter is not None:
            self._exporter.shutdown()


def _quiet(exporter: Exporter) -> Exporter:
    """Keep what the exporter logs in our thread out of the log: we tell each kind of it once."""
    for kind in type(exporter).__mro__:
        if kind.__module__.startswith(_EXPORTERS):
            logging.getLogger(kind.__module__).addFilter(_is_not_ours)
    return exporter


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD
