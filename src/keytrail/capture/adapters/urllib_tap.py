"""urllib: the standard library's connections, and the redirects that its openers follow."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.request import OpenerDirector

from keytrail.capture.adapters.http_client_tap import tap_connections
from keytrail.capture.adapters.taps import Tap, Wire, holding, put


def install(wire: Wire) -> list[Tap]:
    """Tap every connection, and hold together the hops of one ``open``, which calls itself."""
    return [
        *tap_connections(HTTPConnection, wire, "urllib"),
        put(OpenerDirector, "open", holding(wire, "urllib")),
    ]
