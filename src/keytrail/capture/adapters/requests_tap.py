"""requests: it follows redirects itself, above the connections of urllib3."""

from __future__ import annotations

from requests.sessions import Session

from keytrail.capture.adapters.taps import Tap, Wire, holding, put


def install(wire: Wire) -> list[Tap]:
    """Hold the hops of one ``send`` together: it calls itself for each."""
    return [put(Session, "send", holding(wire, "urllib3"))]
