"""What the steps of keytrail take in a request's thread: ``python -m benchmarks.steps``.

Each step alone in a loop, so that all its code and data are in the processor's caches: what is
left of a row of the table of :mod:`benchmarks.overhead` is the price of having them elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import repeat
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, use_span
from urllib3.connection import HTTPConnection

from benchmarks.asgi_apps import scope
from benchmarks.traffic import KEYS, PATH, QUERY, headers
from benchmarks.wsgi_apps import environ
from keytrail.capture.adapters.http_client_tap import may_carry_key, view
from keytrail.otel import Audit, AuditSpanProcessor, KeytrailSampler
from keytrail.otel.chain import chain_on
from keytrail.otel.incoming import read_carrier
from keytrail.otel.wire import TappedWire
from keytrail.settings import Secret, Settings

_LOOPS = 200
_REPEATS = 20


def main() -> None:
    """Measure and print Markdown."""
    with TemporaryDirectory() as home:
        audit = Audit(Settings(pepper=Secret("0123456789abcdef" * 4), home=Path(home)))
        print("| µs | no key | key |\n|---|--:|--:|")
        for name, step in _STEPS.items():
            print(f"| {name} | {_micros(step(audit, None))} | {_micros(step(audit, KEYS[0]))} |")
        audit.close()


def _micros(step: Callable[[], object]) -> str:
    seconds = min(repeat(step, timer=time.thread_time, number=_LOOPS, repeat=_REPEATS)) / _LOOPS
    return f"{seconds * 1e6:.1f}"


def _read_environ(audit: Audit, key: str | None) -> Callable[[], object]:
    return partial(read_carrier, audit, environ(key))


def _read_scope(audit: Audit, key: str | None) -> Callable[[], object]:
    return partial(read_carrier, audit, scope(key))


def _span(with_keytrail: bool, root: Sampler, audit: Audit, key: str | None) -> Callable[[], None]:
    """Return what starts and ends a SERVER span of a request that was read before."""
    sampler = KeytrailSampler(root, audit) if with_keytrail else root
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(AuditSpanProcessor(audit) if with_keytrail else SpanProcessor())
    tracer = provider.get_tracer("steps")
    incoming = read_carrier(audit, environ(key))
    assert incoming is not None
    context = incoming.into(Context())

    def step() -> None:
        incoming.span = None
        attributes = {"http.request.method": "GET"}
        span = tracer.start_span("GET", context, SpanKind.SERVER, attributes)
        span.set_attribute("http.response.status_code", 200)
        span.end()

    return step


def _send(root: Sampler, audit: Audit, key: str | None) -> Callable[[], None]:
    """Return what a tap of urllib3 does with a call whose span is there."""
    wire = TappedWire(audit)
    provider = TracerProvider(KeytrailSampler(root, audit), shutdown_on_exit=False)
    call = ("GET", f"{PATH}?{QUERY}", None, headers(key))
    connection: Any = HTTPConnection("127.0.0.1", 80)
    span = provider.get_tracer("steps").start_span(
        "GET", kind=SpanKind.CLIENT, attributes={"http.request.method": "GET"}
    )

    def step() -> None:
        chain_on(span).uses = 0  # each time its first hop
        chain = wire.enter("urllib3")
        hop = wire.begin(
            lambda: may_carry_key(connection, wire.reader, *call),
            lambda: view(connection, wire.reader.wanted, *call),
            within="urllib3",
        )
        assert hop is not None
        hop.finish(200)
        wire.leave(chain)

    def within_span() -> None:
        with use_span(span):
            step()

    return within_span


_STEPS: dict[str, Callable[[Audit, str | None], Callable[[], object]]] = {
    "read a WSGI request": _read_environ,
    "read an ASGI request": _read_scope,
    "start and end its span, recorded": partial(_span, True, ALWAYS_ON),
    "the same of stock, recorded": partial(_span, False, ALWAYS_ON),
    "start and end its span, unsampled": partial(_span, True, ALWAYS_OFF),
    "the same of stock, unsampled": partial(_span, False, ALWAYS_OFF),
    "an outgoing call, recorded": partial(_send, ALWAYS_ON),
    "an outgoing call, unsampled": partial(_send, ALWAYS_OFF),
}


if __name__ == "__main__":
    main()
