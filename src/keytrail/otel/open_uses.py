"""The uses that are running: a use exists from the moment when its request begins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan

from keytrail import faults
from keytrail.otel.use import Entry, OpenUse

LONG: Final = 60.0
"""Seconds after which a use that still runs is told."""
_MOST: Final = 100_000
"""Spans with a use that may run at once; beyond it the oldest is taken for never-ending."""
_BETWEEN_LOOKS: Final = 1.0

if TYPE_CHECKING:
    _Uses = dict[int, OpenUse]
else:
    _Uses = dict


class OpenUses(_Uses):
    """Running uses by span id.

    One that runs for :data:`LONG`, and each one when the process is about to end, is told once
    before its end, which nobody may live to see. Requests only put in and take out; all else is
    the audit thread's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._all_wanted = False
        self._next_look = 0.0

    def want_all(self) -> None:
        """Let the next :meth:`untold` return every running use, however young."""
        self._all_wanted = True

    @faults.guarded("open_uses.untold", [])
    def untold(self) -> list[Entry]:
        """Return the uses to tell before their end, each once, as they stand now."""
        clock = time.monotonic()
        wanted, self._all_wanted = self._all_wanted, False
        if not wanted and clock < self._next_look:
            return []
        self._next_look = clock + _BETWEEN_LOOKS
        surplus = self._forget_surplus()
        told = [use for use in list(self.values()) if _is_long(use, clock) or wanted]
        return [_as_it_stands(use) for use in surplus + told if use.carries_key and not use.told]

    def _forget_surplus(self) -> list[OpenUse]:
        """Take out the oldest beyond the bound; their ends will not be seen."""
        oldest = list(self)[: max(0, len(self) - _MOST)]
        forgotten = [use for span_id in oldest if (use := self.pop(span_id, None)) is not None]
        for _ in forgotten:
            faults.report("open_uses", OverflowError())
        return forgotten


def _is_long(use: OpenUse, clock: float) -> bool:
    """Tell by when the audit thread first noticed the use: the wall clock may step."""
    if use.noticed is None:
        use.noticed = clock
    return clock - use.noticed >= LONG


def _as_it_stands(use: OpenUse) -> Entry:
    """Return a use as if it ended now.

    It takes no lock of the running span, which a thread that a signal interrupted may hold: that
    is why the span's events and links are left out.
    """
    use.told = True
    span = use.span
    now = ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span._attributes,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=time.time_ns(),
        instrumentation_scope=span.instrumentation_scope,
    )
    return Entry(now, use, ended=False)
