"""Jaeger's query API, and the uses that its answers hold."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from keytrail import semconv
from keytrail.demo import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.demo.check import Counted

DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy the environment names."""
HASH: Final = semconv.KEY_HASH
_MOST_TRACES: Final = 100_000


class Jaeger:
    """Jaeger's query API, as its search page uses it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def services(self) -> list[str]:
        """Return the services that Jaeger has spans of."""
        return sorted(self._ask("/api/services", {}) or [])

    def search(self, service: str, name: str, value: str) -> str:
        """Return the query of a search by one attribute: Jaeger's page and its API share it."""
        now = time.time_ns() // 1000
        return urlencode(
            {
                "service": service,
                "tags": json.dumps({name: value}, separators=(",", ":")),
                "limit": _MOST_TRACES,
                "start": now - 3_600_000_000,
                "end": now + 60_000_000,
            }
        )

    def uses(self, name: str, value: str) -> Counter[Counted]:
        """Return what has an attribute, over all services; a search finds whole traces."""
        found: dict[tuple[str, str], Counted] = {}
        for service in self.services():
            query = self.search(service, name, value)
            for trace in self._ask(f"/api/traces?{query}&raw=true", []):
                for span in trace["spans"]:
                    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
                    if tags.get(name) == value:
                        process = trace["processes"][span["processID"]]
                        found[trace["traceID"], span["spanID"]] = _use(tags, process)
        return Counter(found.values())

    def _ask(self, path: str, empty: Any) -> Any:
        with DIRECT.open(self.url + path, timeout=30) as answer:
            return json.load(answer)["data"] or empty


def _use(tags: Mapping[str, Any], process: Mapping[str, Any]) -> Counted:
    status = tags.get("http.response.status_code", tags.get("http.status_code", 0))
    return check.Counted(
        process["serviceName"], tags["keytrail.direction"], tags.get(HASH), int(status)
    )
