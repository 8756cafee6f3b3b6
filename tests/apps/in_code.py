"""Runs a script with OpenTelemetry and keytrail set up in code: ``in_code.py script.py …``."""

from __future__ import annotations

import runpy
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.util._importlib_metadata import entry_points

import keytrail

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
for instrumentor in entry_points(group="opentelemetry_instrumentor"):
    instrumentor.load()().instrument(raise_exception_on_conflict=False)
keytrail.instrument()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
