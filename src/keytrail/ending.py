"""How a process ends: each way that Python can see writes what is in memory first."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from keytrail import faults, native
from keytrail.imports import when_imported
from keytrail.sigterm import SigtermTap

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.otel.adopt import Adoption
    from keytrail.otel.audit import Audit

_CHILDREN: Final = ("multiprocessing.util", "billiard.util")
"""Whose children run finalizers of their own and then ``os._exit``, with no ``atexit``."""
_EXECUTES: Final = ("execv", "execve")
"""What all the others of their kind in ``os`` call by name."""
_GRACE: Final = 0.1
_GLANCE: Final = 0.005
_LAST: Final = 0.5
"""Seconds that delivery gets at ``os._exit``, or when the ordinary pipeline has taken them all."""
_BEFORE_A_HANDLER: Final = 1.0
"""Most seconds that the application's own handler of SIGTERM waits for the journal."""


class Ending:
    """What is to be done when this process, or a child that it forks, ends."""

    def __init__(self, audit: Audit, adoption: Adoption) -> None:
        self._audit = audit
        self._adoption = adoption
        self._sigterm = SigtermTap(self._write, self.write_all)
        self._exit = os._exit
        self._executes = {name: getattr(os, name) for name in _EXECUTES}
        self._execute = {name: self._executing(one) for name, one in self._executes.items()}

    def cover(self) -> None:
        """See the exit of the interpreter, of children, SIGTERM, ``os._exit`` and ``os.exec*``."""
        atexit.register(self.write_all)
        vars(os).update(_exit=self._leave, **self._execute)
        for module in _CHILDREN:
            when_imported(module, self, Ending._in_children)
        when_imported("celery.signals", self, Ending._in_pools)
        self._sigterm.install()

    def take(self) -> None:
        """See nothing any more."""
        atexit.unregister(self.write_all)
        if os._exit == self._leave:
            vars(os).update(_exit=self._exit)
        for name, execute in self._execute.items():
            if getattr(os, name) is execute:
                vars(os).update({name: self._executes[name]})
        self._sigterm.take()

    def _in_children(self, util: Any) -> None:
        util.register_after_fork(
            self, lambda ending: util.Finalize(None, ending.write_all, exitpriority=0)
        )

    def _in_pools(self, signals: Any) -> None:
        """Come before Celery's children wait to be reaped: the worker's end kills them there."""
        signals.worker_process_shutdown.connect(self._end_of_child)

    def _end_of_child(self, **_: Any) -> None:
        self._write_own()

    def _leave(self, status: int) -> NoReturn:
        """End the process as ``os._exit`` does, without a word of what goes wrong before."""
        try:
            self._write_own()
        finally:
            self._exit(status)

    def _executing(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(execute)
        def write_and_execute(*args: Any, **named: Any) -> Any:
            self._write_before_another_program()
            return execute(*args, **named)

        return write_and_execute

    @faults.guarded("os_exec", None)
    def _write_before_another_program(self) -> None:
        """Write as at the end; there is often no such program, and this one goes on."""
        if self._audit.is_at_work:
            self._let_answers_end()
            self._audit.open.want_all()
            self._audit.journal.pause(self._audit.settings.shutdown_timeout)

    @faults.guarded("os_exit", None)
    def _write_own(self) -> None:
        """Write what this process saw: a child that forked only to run another program saw none."""
        if self._audit.is_at_work:
            self._audit.close(_LAST)

    def _write(self) -> None:
        """Write what has ended and what runs: nobody knows what follows, nor how soon."""
        self._let_answers_end()
        self._audit.open.want_all()
        self._audit.flush(min(_BEFORE_A_HANDLER, self._audit.settings.shutdown_timeout))

    def write_all(self) -> None:
        """Write, deliver within the shutdown timeout, and close the journal."""
        deadline = time.monotonic() + self._audit.settings.shutdown_timeout
        self._let_answers_end()
        self._export_ordinary(deadline)
        self._audit.close(max(_LAST, deadline - time.monotonic()))

    def _let_answers_end(self) -> None:
        """Wait for requests that other threads are just answering, so that each is told once."""
        deadline = time.monotonic() + _GRACE
        while self._audit.open and time.monotonic() < deadline:
            native.sleep(_GLANCE)

    def flush(self, timeout: float) -> bool:
        """Write and deliver within ``timeout`` seconds; return whether nothing is left."""
        deadline = time.monotonic() + timeout
        self._export_ordinary(deadline)
        return self._audit.journal.deliver(max(0.0, deadline - time.monotonic()))

    def _export_ordinary(self, deadline: float) -> None:
        """Let the ordinary pipeline go first to where the journal delivers too.

        So nothing is sent twice. It runs in a thread of its own, since a signal may have
        interrupted this one while it holds the exporter's lock; meanwhile the journal is on disk.
        """
        self._audit.flush(max(0.0, deadline - time.monotonic()))
        if self._adoption.shares_destination:
            timeout = max(0.0, deadline - time.monotonic())
            ordinary = threading.Thread(target=self._adoption.flush, args=(timeout,), daemon=True)
            ordinary.start()
            ordinary.join(timeout)
