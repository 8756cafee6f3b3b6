"""keytrail as ordinary OpenTelemetry components, to be composed by hand.

One :class:`Audit` for the process, given to each of them::

    audit = Audit()
    set_global_textmap(KeytrailPropagator(get_global_textmap(), audit))
    provider = TracerProvider(sampler=KeytrailSampler(ParentBased(ALWAYS_ON), audit))
    provider.add_span_processor(AuditSpanProcessor(audit))
    provider.add_span_processor(
        BatchSpanProcessor(RedactingSpanExporter(OTLPSpanExporter(), audit))
    )
"""

from keytrail.otel.audit import Audit
from keytrail.otel.exporters import RedactingLogExporter, RedactingSpanExporter
from keytrail.otel.foreign import RedactingSpanProcessor
from keytrail.otel.processor import AuditSpanProcessor
from keytrail.otel.propagator import KeytrailPropagator
from keytrail.otel.sampler import KeytrailSampler

__all__ = [
    "Audit",
    "AuditSpanProcessor",
    "KeytrailPropagator",
    "KeytrailSampler",
    "RedactingLogExporter",
    "RedactingSpanExporter",
    "RedactingSpanProcessor",
]
