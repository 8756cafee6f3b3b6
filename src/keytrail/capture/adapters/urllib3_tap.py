"""urllib3: requests, botocore and everything else that sends through its connections."""

from __future__ import annotations

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager

from keytrail.capture.adapters.http_client_tap import tap_connections
from keytrail.capture.adapters.taps import Tap, Wire, holding, put


def install(wire: Wire) -> list[Tap]:
    """Tap every connection, and hold the hops of one ``urlopen`` together.

    It calls itself for a redirect or a retry, and its instrumentation makes a span of each.
    """
    return [
        *tap_connections(HTTPConnection, wire, "urllib3"),
        put(HTTPConnectionPool, "urlopen", holding(wire, "urllib3")),
        put(PoolManager, "urlopen", holding(wire, "urllib3")),
    ]
