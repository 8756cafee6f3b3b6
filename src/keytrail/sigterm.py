"""Keytrail's place before whatever handles SIGTERM, now and later.

The default action kills a process that has run no ``atexit``, and servers come back to it: uvicorn
restores what it found and raises the signal again, gunicorn's workers for it reset the handler
after the application was loaded. So ``signal.signal`` is tapped, for SIGTERM alone: whoever sets or
asks for a handler meets his own, and keytrail's runs before it.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from keytrail import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_DEFAULT = signal.SIG_DFL


class Cover:
    """A handler that does keytrail's work, then what ``inner`` would have done."""

    def __init__(self, tap: SigtermTap, inner: Any) -> None:
        self.inner = inner
        self._tap = tap

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        """Tell keytrail, then go on as without it: same handler, same exit status."""
        self._tap.arrived(handled=self.inner is not _DEFAULT)
        if self.inner is not _DEFAULT:
            return self.inner(number, frame)
        self._tap.set(number, _DEFAULT)
        os.kill(os.getpid(), number)
        return None


class SigtermTap:
    """Runs ``handled`` before a handler of the application's, ``fatal`` before the default action.

    Both run inside a signal handler: they may wait for no lock that an interrupted thread holds.
    A handler that was ignored stays ignored.
    """

    def __init__(self, handled: Callable[[], Any], fatal: Callable[[], Any]) -> None:
        self._handled = handled
        self._fatal = fatal
        self._active = True
        self.set: Callable[[int, Any], Any] = signal.signal
        self._get: Callable[[int], Any] = signal.getsignal

    def install(self) -> None:
        """Cover the handler that is set now, where this is the main thread, and later ones."""
        vars(signal).update(signal=self._tapped_set, getsignal=self._tapped_get)
        if threading.current_thread() is threading.main_thread():
            self.set(signal.SIGTERM, self._covered(self._get(signal.SIGTERM)))

    def take(self) -> None:
        """Go away again; a cover that cannot be taken off from this thread does nothing more."""
        self._active = False
        if signal.signal == self._tapped_set:
            vars(signal).update(signal=self.set, getsignal=self._get)
        if threading.current_thread() is threading.main_thread():
            self.set(signal.SIGTERM, _uncovered(self._get(signal.SIGTERM)))

    def arrived(self, *, handled: bool) -> None:
        """Do keytrail's part of the signal."""
        if self._active:
            faults.guarded("sigterm", None)(self._handled if handled else self._fatal)()

    def _tapped_set(self, signalnum: int, handler: Any) -> Any:
        if signalnum != signal.SIGTERM or not self._active:
            return self.set(signalnum, handler)
        return _uncovered(self.set(signalnum, self._covered(handler)))

    def _tapped_get(self, signalnum: int) -> Any:
        return _uncovered(self._get(signalnum))

    def _covered(self, handler: Any) -> Any:
        """Return what to set for ``handler``; ``None`` is one of C, which cannot be called."""
        if handler is None or handler == signal.SIG_IGN or isinstance(handler, Cover):
            return handler
        return Cover(self, _DEFAULT if handler == _DEFAULT else handler)


def _uncovered(handler: Any) -> Any:
    return handler.inner if isinstance(handler, Cover) else handler
