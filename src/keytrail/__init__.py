"""keytrail: who used which API key, when, from where, on what, with what result.

``instrument()`` audits the process; under ``opentelemetry-instrument`` no call is needed. The
OpenTelemetry components behind it are in :mod:`keytrail.otel`, for an SDK set up by hand.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keytrail.activate import flush, instrument, uninstrument
    from keytrail.fingerprints import fingerprint
    from keytrail.identity import identify
    from keytrail.logs import RedactingFilter
    from keytrail.readiness import Health, health
    from keytrail.settings import Settings

__all__ = [
    "Health",
    "RedactingFilter",
    "Settings",
    "fingerprint",
    "flush",
    "health",
    "identify",
    "instrument",
    "uninstrument",
]

_ROOMS = {
    "Health": "keytrail.readiness",
    "RedactingFilter": "keytrail.logs",
    "Settings": "keytrail.settings",
    "fingerprint": "keytrail.fingerprints",
    "flush": "keytrail.activate",
    "health": "keytrail.readiness",
    "identify": "keytrail.identity",
    "instrument": "keytrail.activate",
    "uninstrument": "keytrail.activate",
}


def __getattr__(name: str) -> Any:
    # The command line reads a journal without the SDK, which takes longer to import than to ask.
    if name not in _ROOMS:
        raise AttributeError(f"module 'keytrail' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)
