"""The application's own logs: handlers and access logs, which OpenTelemetry does not see."""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from keytrail import activate, faults
from keytrail.capture.adapters.taps import Tap, put
from keytrail.redaction import alone, record
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.redaction.redactor import Redactor

_EXPORTING = "opentelemetry."
"""Handlers of these modules export records, which are redacted there, and counted."""


class RedactingFilter(logging.Filter):
    """Takes keys out of every record that it is given: of message, arguments, exception and fields.

    Put it on handlers: a logger's filters see only what is logged to that very logger. It redacts
    by name and by shape, and where :func:`keytrail.instrument` is active also the keys that were
    seen. It lets every record through, never raises, and passes no text where redaction fails.

    From Python 3.12 on the handler gets a redacted copy, and no other handler is affected. Before
    3.12 a filter cannot replace a record: it is redacted in place, for all handlers after this one.
    """

    if sys.version_info >= (3, 12):

        def filter(self, record: logging.LogRecord) -> logging.LogRecord:
            """Return ``record``, or a redacted copy of it."""
            return self.redacted(record)

    else:

        def filter(self, record: logging.LogRecord) -> bool:
            """Redact ``record`` in place."""
            passed = self.redacted(record)
            if passed is not record:
                fields = dict(vars(passed))
                vars(record).clear()
                vars(record).update(fields)
            return True

    def redacted(self, given: logging.LogRecord) -> logging.LogRecord:
        """Return ``given``, or a redacted copy of it."""
        try:
            trace_id = trace.get_current_span().get_span_context().trace_id or None
            return record.redacted(given, self._redactor, trace_id)
        except Exception as error:  # noqa: BLE001 - fails closed: no text passes
            faults.report("logs", error)
            return record.withheld(given)

    @property
    def _redactor(self) -> Redactor:
        audit = activate.active_audit()
        return self._alone if audit is None else audit.redactor

    @cached_property
    def _alone(self) -> Redactor:
        return alone.redactor(Settings.from_env(complain=lambda _: None))


def install() -> list[Tap]:
    """Redact what reaches any handler of this process, now or later; no record is changed."""
    redacting = RedactingFilter()

    def tapping_handle(handle: Callable[..., Any]) -> Callable[..., Any]:
        def redacting_handle(handler: logging.Handler, given: logging.LogRecord) -> Any:
            exports = type(handler).__module__.startswith(_EXPORTING)
            return handle(handler, given if exports else redacting.redacted(given))

        return redacting_handle

    return [put(logging.Handler, "handle", tapping_handle)]
