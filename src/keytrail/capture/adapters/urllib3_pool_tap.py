"""urllib3's pools: an https connection that fails, fails before it is given its request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from urllib3.connectionpool import HTTPConnectionPool

from keytrail.capture.adapters.http_client_tap import view
from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable


def install(wire: Wire) -> list[Tap]:
    """Tap the attempts that fail: their error tells the address, and its key."""

    def tapping_attempt(attempt: Callable[..., Any]) -> Callable[..., Any]:
        def _make_request(
            pool: Any, connection: Any, method: str, url: str, *args: Any, **kwargs: Any
        ) -> Any:
            try:
                return attempt(pool, connection, method, url, *args, **kwargs)
            except BaseException:
                headers = kwargs.get("headers")
                wire.refused(
                    lambda: view(connection, wire.reader.wanted, method, url, headers=headers)
                )
                raise

        return _make_request

    return [put(HTTPConnectionPool, "_make_request", tapping_attempt)]
