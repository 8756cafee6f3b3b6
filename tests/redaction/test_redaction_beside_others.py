"""Sentry or Logfire in the same process: no span more than without keytrail, all redacted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redaction.redaction_kit import leaks
from support.cases import K1, PEPPER

REQUESTS = """
import sys
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

def serve(provider, key):
    tracer = provider.get_tracer("server")
    for sampled in ("01", "00") * 5:
        headers = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "PATH_INFO": "/o",
                   "HTTP_HOST": "h", "REMOTE_ADDR": "192.0.2.1", "QUERY_STRING": "",
                   "HTTP_X_API_KEY": key,
                   "HTTP_TRACEPARENT": f"00-{trace.format_trace_id(7)}-{trace.format_span_id(9)}"
                                       f"-{sampled}"}
        context = propagate.extract(headers, getter=Environ())
        with tracer.start_as_current_span("GET /o", context=context, kind=SpanKind.SERVER) as span:
            span.set_attributes({"url.full": f"http://h/o?token={key}", "note": f"see {key}"})

class Environ:
    def get(self, carrier, key):
        value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return None if value is None else [value]
    def keys(self, carrier):
        return list(carrier)
"""
START = """
if sys.argv[1] == "with":
    import keytrail
    from keytrail.settings import Secret, Settings
    keytrail.instrument(Settings(pepper=Secret(sys.argv[2])))
"""
LOGFIRE = """
import logfire
from logfire.testing import TestExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
exporter = TestExporter()
logfire.configure(send_to_logfire=False, console=False, distributed_tracing=True,
                  additional_span_processors=[SimpleSpanProcessor(exporter)])
serve(trace.get_tracer_provider(), sys.argv[3])
trace.get_tracer_provider().force_flush()
print(len(exporter.exported_spans))
print(exporter.exported_spans_as_dict())
"""
SENTRY = """
import sentry_sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, ALWAYS_ON
from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor
events = []
class Transport(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        events.append(envelope.serialize())
sentry_sdk.init(dsn="http://a@127.0.0.1:9/1", transport=Transport, traces_sample_rate=1.0,
                instrumenter="otel", default_integrations=False)
provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
provider.add_span_processor(SentrySpanProcessor())
serve(provider, sys.argv[3])
provider.shutdown()
sentry_sdk.flush()
print(len(events))
print(events)
"""


def _served(other: str, keytrail: str, home: Path) -> tuple[int, str]:
    """Return how many spans the other one got in a process of its own, and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", REQUESTS + START + other, keytrail, PEPPER, K1],
        capture_output=True,
        text=True,
        cwd=home,
        env={"KEYTRAIL_HOME": str(home), "PATH": "", "HOME": str(home)},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    number, _, spans = done.stdout.partition("\n")
    return int(number), spans


@pytest.mark.parametrize(
    ("package", "other", "expected"),
    [("logfire", LOGFIRE, 10), ("sentry_sdk", SENTRY, 5)],
    ids=["logfire", "sentry"],
)
def test_others_get_no_span_more(package: str, other: str, expected: int, tmp_path: Path) -> None:
    """Spans that only keytrail records do not reach them; those that do hold no key.

    Five of ten requests are sampled; Logfire sends each of their spans twice, once as pending.
    """
    pytest.importorskip(package)
    alone, leaky = _served(other, "without", tmp_path)
    beside, passed = _served(other, "with", tmp_path)
    assert alone == expected
    assert leaks(leaky.encode(), K1) != []
    assert beside == alone
    assert leaks(passed.encode(), K1) == []
