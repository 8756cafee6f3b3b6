"""Ctrl-C and SIGTERM: a command ends as an exit does, with nothing left behind and no traceback."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from keytrail.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process while modules are imported: some abort at an exception."""
    with _handled((signal.SIGINT,), signal.SIG_DFL):
        yield


def cancellable(work: Callable[[], None], interrupt: Callable[[], None]) -> None:
    """Do ``work`` and unwind at either signal; ``interrupt`` ends what does not listen to them.

    What comes out of the work then may be another error, which DuckDB makes of it.

    Raises:
        CommandError: the work was cancelled.
    """
    told: list[int] = []

    def cancel(number: int, _: object) -> None:
        told.append(number)
        raise KeyboardInterrupt

    try:
        with _handled(_SIGNALS, cancel), _heard(interrupt):
            work()
    except BaseException:
        if told:
            raise CommandError("cancelled: the answer is not whole", 128 + told[0]) from None
        raise


@contextmanager
def _heard(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call ``interrupt`` at once, in a thread: a handler waits for the main thread to be idle."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        while number := os.read(reader, 1):
            if number[0] in _SIGNALS:
                interrupt()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


@contextmanager
def _handled(
    signals: tuple[signal.Signals, ...], handler: Callable[[int, Any], None] | signal.Handlers
) -> Iterator[None]:
    """Handle what is not ignored, as it is in a job in the background."""
    before = {one: signal.getsignal(one) for one in signals}
    heard = [one for one in signals if before[one] is not signal.SIG_IGN]
    for one in heard:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one in heard:
            signal.signal(one, before[one])
