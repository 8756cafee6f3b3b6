"""keytrail: who used which API key, when, from where, on what, with what result.

``instrument()`` audits the process; under ``opentelemetry-instrument`` no call is needed. The
OpenTelemetry components behind it are in :mod:`keytrail.otel`, for an SDK set up by hand.
"""

from keytrail.activate import instrument, uninstrument
from keytrail.fingerprints import fingerprint
from keytrail.identify import identify
from keytrail.settings import Settings

__all__ = ["Settings", "fingerprint", "identify", "instrument", "uninstrument"]
