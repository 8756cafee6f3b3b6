"""An instrumented library of one side, and how one is instrumented for that side alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from opentelemetry.sdk.trace import TracerProvider


@dataclass(frozen=True, slots=True)
class Library:
    """A library of one side, instrumented on the side's provider."""

    call: Callable[[int, bool], None]
    """Make or serve so many calls, one after the other, with keys or without."""
    clock: Callable[[], float] = time.thread_time
    """Return the CPU seconds that the thread which does so has used."""
    in_force: Callable[[], AbstractContextManager[None]] = nullcontext
    """Instrument for this side, where its instrumentation can only do so for the whole process."""


def instrumented(instrumentor: Any, provider: TracerProvider, owner: type, name: str) -> Any:
    """Return ``owner.name`` as an instrumentor wraps it, over whatever stands there when called."""
    own = getattr(owner, name)

    @wraps(own)
    def late(*args: Any, **kwargs: Any) -> Any:
        return getattr(owner, name)(*args, **kwargs)

    setattr(owner, name, late)
    instrumentor.instrument(tracer_provider=provider)
    wrapped = owner.__dict__[name]
    instrumentor.uninstrument()
    setattr(owner, name, own)
    return wrapped


def thread_clock(run: Callable[[], None]) -> Callable[[], float]:
    """Run something in a thread; return what tells the CPU seconds that this thread has used."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return clock_of(thread)


def clock_of(thread: threading.Thread) -> Callable[[], float]:
    """Return what tells the CPU seconds that a running thread has used."""
    assert thread.ident is not None
    return partial(time.clock_gettime, time.pthread_getcpuclockid(thread.ident))


@contextmanager
def instrumenting(instrumentor: Any, provider: TracerProvider) -> Iterator[None]:
    """Instrument the process on ``provider`` for a while."""
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()
