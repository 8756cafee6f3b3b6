"""What is due of a segment, sent in every form that was asked for, and booked by the answer."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from keytrail import faults
from keytrail.journal.accounting import HINTS
from keytrail.journal.aftermath import keep_records, keep_refused, note_delivered
from keytrail.journal.history import STOP_START, hard_end
from keytrail.journal.segment import now
from keytrail.journal.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keytrail.journal.accounting import Accounting, Reason
    from keytrail.journal.answer import Answer
    from keytrail.journal.backlog import Backlog, Line, SpanId
    from keytrail.journal.sender import Form


class Dispatch:
    """The senders of one process and their books. Used by the delivery thread alone."""

    def __init__(
        self, home: Path, forms: Sequence[Form], endpoint: str, accounting: Accounting
    ) -> None:
        """``endpoint`` names the destination in notes and in what is logged."""
        self._home = home
        self._endpoint = endpoint
        self._accounting = accounting
        self._senders = [Sender(form, endpoint) for form in forms]
        self.closed = False
        """Set to end after the request that runs."""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing can be sent in any form for now."""
        return all(sender.is_waiting for sender in self._senders)

    def was_deleted(self, backlog: Backlog) -> None:
        """Book what somebody deleted, for the reason that is told."""
        remaining = backlog.remaining()
        reason: Reason = next((one for one in HINTS if one == backlog.parting), "deleted")
        backlog.dropped[reason] += remaining
        self._accounting.dropped(reason, remaining)
        self.note(backlog)

    def settle(self, backlog: Backlog, accepted: dict[SpanId, None]) -> None:
        """Book, and take out of ``accepted``, the uses that the ordinary pipeline delivered."""
        settled = backlog.accepted(accepted)
        for line in settled:
            if line.id is not None:
                accepted.pop(line.id, None)  # a use told before its end has two lines
        self._passed(backlog, settled, 0)

    def send(self, backlog: Backlog, *, draining: bool) -> bool:
        """Send what is due, held back or not when ``draining``; return whether it has left us.

        Raises:
            OSError: the disk did not take how far we are.

        """
        clock = float("inf") if draining else time.monotonic()
        taken = [
            self._send_form(backlog, form, clock, draining=draining)
            for form in range(len(self._senders))
        ]
        backlog.save()
        return all(taken)

    def _send_form(self, backlog: Backlog, form: int, clock: float, *, draining: bool) -> bool:
        sender = self._senders[form]
        if sender.is_waiting and not draining:
            return False
        while batch := backlog.due(clock, sender.batch, form):
            if self.closed:
                return False
            parted = sender.send(batch)
            for piece, answer in parted.taken:
                self._took(backlog, [line for line, _ in piece], answer, form)
            if parted.refused:
                self._was_refused(backlog, [line for line, _ in parted.refused], parted.last)
            if parted.left:
                return False
        return True

    def _took(self, backlog: Backlog, lines: list[Line], answer: Answer, form: int) -> None:
        rejected = min(answer.rejected, len(lines))
        if rejected:
            self._keep_aside(backlog, lines, answer.told, rejected=rejected)
        self._passed(backlog, lines, form, rejected=rejected)

    def _passed(self, backlog: Backlog, lines: list[Line], form: int, *, rejected: int = 0) -> None:
        """Book lines as taken in one form; which of them were rejected nobody knows."""
        if form < len(self._senders) - 1:
            for line in lines:
                line.stage = form + 1
            return
        taken = len(lines) - rejected
        backlog.confirm(lines[:taken])
        self._accounting.delivered(taken)
        self._dropped(backlog, lines[taken:], "refused")

    def _was_refused(self, backlog: Backlog, lines: list[Line], answer: Answer | None) -> None:
        self._keep_aside(backlog, lines, "" if answer is None else answer.told)
        self._dropped(backlog, lines, "refused")

    def _dropped(self, backlog: Backlog, lines: list[Line], reason: Reason) -> None:
        if lines:
            backlog.drop(lines, reason)
            self._accounting.dropped(reason, len(lines))

    def _keep_aside(self, backlog: Backlog, lines: list[Line], answer: str, **note: int) -> None:
        texts = [backlog.text(line) for line in lines]
        with contextlib.suppress(OSError):
            keep_refused(
                self._home, backlog.path.name, texts, endpoint=self._endpoint, answer=answer, **note
            )

    def note(self, backlog: Backlog) -> None:
        """Note what became of a segment that goes, and keep the audit's own records of it."""
        with contextlib.suppress(OSError):  # a full disk is no reason to keep what was delivered
            keep_records(self._home, [*backlog.records, *_hard_end(backlog)])
            if not backlog.uses and not backlog.dropped:
                return
            note_delivered(
                self._home,
                {
                    "endpoint": self._endpoint,
                    "segment": backlog.path.name,
                    "uses": backlog.uses,
                    "dropped": dict(backlog.dropped),
                    "first": backlog.first,
                    "last": backlog.last,
                },
            )

    def unreadable(self, backlog: Backlog, line: bytes) -> None:
        """Keep a line aside that is no use."""
        self._accounting.dropped("unreadable")
        with contextlib.suppress(OSError):
            keep_refused(self._home, backlog.path.name, [line], answer="unreadable")
        faults.report("journal.refused", ValueError("a line of a segment cannot be read"))

    def close(self) -> None:
        """Let the exporters end their connections."""
        for sender in self._senders:
            sender.close()


def _hard_end(backlog: Backlog) -> list[bytes]:
    """Return the record of a writer that died, which nobody could tell of any more."""
    if not backlog.records or any(line.startswith(STOP_START) for line in backlog.records):
        return []
    return [hard_end(now(), backlog.path.name, backlog.last)]
