"""Threads, locks, queues and sleep of the operating system, also where gevent has put others there.

keytrail's threads wait for disks and endpoints. As greenlets they would hold up every request of
the process, and a lock of gevent's cannot be waited for in its event loop. Whoever holds one of
these locks must do nothing at which a greenlet may be left.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue as SimpleQueue


def _own(module: str, name: str) -> Any:
    """Return what ``module`` had under ``name`` before anybody put something else there."""
    if (gevent := sys.modules.get("gevent.monkey")) is not None:
        return gevent.get_original(module, name)
    if (eventlet := sys.modules.get("eventlet.patcher")) is not None:
        return getattr(eventlet.original(module), name)
    return getattr(importlib.import_module(module), name)


if not TYPE_CHECKING:
    SimpleQueue = _own("queue", "SimpleQueue")
Lock: Final[Callable[[], threading.Lock]] = _own("_thread", "allocate_lock")
RLock: Final[Callable[[], threading.RLock]] = _own("_thread", "RLock")
sleep: Final[Callable[[float], None]] = _own("time", "sleep")
_start: Final = _own("_thread", "start_new_thread")


class Thread:
    """A thread that keeps no process from ending."""

    def __init__(self, target: Callable[[], None], name: str) -> None:
        self._target = target
        self._name = name
        self._running = Lock()
        self._process = 0

    def start(self) -> None:
        """Begin to run, once.

        Raises:
            RuntimeError: the interpreter shuts down, or there can be no more threads.

        """
        self._process = os.getpid()
        self._running.acquire()
        try:
            _start(self._run, ())
        except BaseException:
            self._running.release()
            raise

    def _run(self) -> None:
        try:
            threading.current_thread().name = self._name
            self._target()
        finally:
            self._running.release()

    def is_alive(self) -> bool:
        """Whether it runs, in this process: a forked child has none of its parent's threads."""
        return self._running.locked() and self._process == os.getpid()

    def join(self, timeout: float) -> None:
        """Wait for its end, ``timeout`` seconds at most."""
        if self.is_alive() and self._running.acquire(timeout=timeout):
            self._running.release()
