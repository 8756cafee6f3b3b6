"""From the journal to an OTLP endpoint, at least once, by one daemon thread of its own.

It reads behind the writer of this process and takes over what others left: segments with a sidecar
whose writer and deliverer are gone. A segment that was delivered whole is deleted. A use of which
the ordinary pipeline may bring the span itself is held back until that is known or ``hold`` seconds
have passed.
"""

from __future__ import annotations

import contextlib
import time
from queue import Empty
from typing import TYPE_CHECKING, Final

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from keytrail import faults, native
from keytrail.journal import segment
from keytrail.journal.backlog import Backlog, SpanId
from keytrail.journal.cursor import Cursor
from keytrail.journal.dispatch import Dispatch
from keytrail.journal.sender import THREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from keytrail.journal.accounting import Accounting
    from keytrail.journal.sender import Form

MAX_ACCEPTED: Final = 65_536
"""Ids of accepted uses that are remembered; of older ones the span is sent twice."""
_MAX_UNHEARD: Final = 8192
"""Batches of accepted ids that the thread has not looked at."""
_PAUSE: Final = 0.5
_SECONDS_BETWEEN_SEARCHES: Final = 5.0
_GLANCE: Final = 0.005


class _Drain:
    """What one caller waits for; ``nothing_left`` once it has been tried."""

    nothing_left: bool | None = None


class Delivery:
    """The delivery of one process."""

    def __init__(
        self,
        home: Path,
        forms: Sequence[Form],
        endpoint: str,
        accounting: Accounting,
        *,
        hold: float,
    ) -> None:
        """A use is delivered in every one of ``forms``; spans come first.

        ``endpoint`` names the destination in notes. Begins at once if uses wait on disk.
        """
        self._home = home
        self._forms = forms
        self._endpoint = endpoint
        self._accounting = accounting
        self._hold = hold
        self._begin()
        if segment.live_files(home, ".cursor"):
            self._start()

    def _begin(self) -> None:
        self._backlogs: dict[Path, Backlog] = {}
        self._begun: native.SimpleQueue[Backlog] = native.SimpleQueue()
        self._accepted_now: native.SimpleQueue[tuple[SpanId, ...]] = native.SimpleQueue()
        self._accepted: dict[SpanId, None] = {}
        self._wake: native.SimpleQueue[_Drain | None] = native.SimpleQueue()
        self._thread: native.Thread | None = None
        self._closed = False
        self._dispatch = Dispatch(self._home, self._forms, self._endpoint, self._accounting)
        self._next_search = 0.0

    def after_fork(self) -> None:
        """Leave to the parent what it delivers; its connections are never touched."""
        self._let_all_go()
        self._inherited = self._dispatch
        self._begin()

    def own(self, path: Path) -> None:
        """Take charge of a segment that this process has just begun.

        Raises:
            OSError: its sidecar cannot be written.

        """
        self._begun.put(
            Backlog(path, Cursor.create(path), self._dispatch.unreadable, hold=self._hold)
        )
        self._start()

    def accepted(self, ids: Iterable[SpanId]) -> None:
        """Hear which uses the ordinary pipeline delivered to our endpoint; never blocks."""
        if self._accepted_now.qsize() < _MAX_UNHEARD:
            self._accepted_now.put(tuple(ids))

    def drain(self, timeout: float) -> bool:
        """Deliver everything now, held back or not; return whether nothing is left.

        Gives up at the first failure or after ``timeout`` seconds. May be called from a signal
        handler: the thread does the work, the caller watches.
        """
        if self._thread is None or not self._thread.is_alive():
            return self._begun.empty() and not self._backlogs
        drain = _Drain()
        self._wake.put(drain)
        deadline = time.monotonic() + timeout
        while drain.nothing_left is None:
            if time.monotonic() >= deadline or not self._thread.is_alive():
                return False
            native.sleep(_GLANCE)
        return drain.nothing_left

    def close(self, timeout: float) -> bool:
        """Drain, then let go of everything, so that another process may go on with the rest."""
        drained = self.drain(timeout)
        self._closed = self._dispatch.closed = True
        self._wake.put(None)
        return drained

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = native.Thread(self._run, THREAD)
            with contextlib.suppress(RuntimeError):  # at interpreter shutdown: the next run's work
                self._thread.start()

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._closed:
            drains = self._drains_asked()
            nothing_left = bool(self._pass(draining=bool(drains)))
            for drain in drains:
                drain.nothing_left = nothing_left
        self._let_all_go()
        self._dispatch.close()

    def _drains_asked(self) -> list[_Drain]:
        """Wait to be woken, but not for long; return what was asked for until now."""
        woken: list[_Drain | None] = []
        with contextlib.suppress(Empty):
            woken.append(self._wake.get(timeout=_PAUSE))
            while True:
                woken.append(self._wake.get_nowait())
        return [drain for drain in woken if drain is not None]

    @faults.guarded("journal.delivery", False)
    def _pass(self, *, draining: bool) -> bool:
        """Deliver what is due, segment by segment; return whether nothing is left."""
        self._take_in(draining=draining)
        nothing_left = True
        for backlog in list(self._backlogs.values()):
            self._lets_go_if_deleted(backlog)  # also while the endpoint is not to be asked
        for backlog in list(self._backlogs.values()):
            if not draining and self._dispatch.is_waiting:
                return False
            if not self._deliver(backlog, draining=draining):
                nothing_left = False
                if draining:
                    break
        return nothing_left and all(backlog.is_settled for backlog in self._backlogs.values())

    def _take_in(self, *, draining: bool) -> None:
        self._take_begun()
        with contextlib.suppress(Empty):
            while True:
                self._accepted.update(dict.fromkeys(self._accepted_now.get_nowait()))
        while len(self._accepted) > MAX_ACCEPTED:
            del self._accepted[next(iter(self._accepted))]
        if draining or time.monotonic() >= self._next_search:
            self._next_search = time.monotonic() + _SECONDS_BETWEEN_SEARCHES
            self._take_over()

    def _take_over(self) -> None:
        for found in segment.segments(self._home):
            if found.state == "closed" and found.path not in self._backlogs:
                with contextlib.suppress(FileNotFoundError):  # another process was quicker
                    self._take_charge(found.path)

    def _take_charge(self, path: Path) -> None:
        held = Cursor.take(path)
        if held is None:
            return
        try:
            uses = segment.uses_in(path, held.offset)
            self._backlogs[path] = Backlog(path, held, self._dispatch.unreadable, hold=0)
        except OSError:
            held.close()
            raise
        self._accounting.saw(uses)

    def _lets_go_if_deleted(self, backlog: Backlog) -> bool:
        """Book a segment that somebody deleted; return whether it was."""
        if not backlog.is_gone:
            return False
        self._dispatch.was_deleted(backlog)
        self._let_go(backlog)
        return True

    def _deliver(self, backlog: Backlog, *, draining: bool) -> bool:
        """Return whether the endpoint took all that it was sent."""
        if self._lets_go_if_deleted(backlog):
            return True
        closed = backlog.is_closed
        while True:
            at_end = backlog.read(time.monotonic())
            self._dispatch.settle(backlog, self._accepted)
            if not self._dispatch.send(backlog, draining=draining):
                return False
            if at_end or backlog.is_full:
                break
        if closed and at_end and backlog.is_settled:
            self._finish(backlog)
        return True

    def _finish(self, backlog: Backlog) -> None:
        self._dispatch.note(backlog)
        backlog.remove()
        del self._backlogs[backlog.path]

    def _let_go(self, backlog: Backlog) -> None:
        backlog.close()
        del self._backlogs[backlog.path]

    def _let_all_go(self) -> None:
        self._take_begun()
        for backlog in list(self._backlogs.values()):
            self._let_go(backlog)

    def _take_begun(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                backlog = self._begun.get_nowait()
                self._backlogs[backlog.path] = backlog
