"""What every service of the oracle does with a request, whatever framework it came through."""

from __future__ import annotations

import logging
import os
import sys
from urllib.parse import unquote

from keytrail.leaks import calling, planting

_OTHERS = calling.Addresses(os.environ["ANSWERING"], os.environ["SILENT"])
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
logger = logging.getLogger("app")


def handle(path: str) -> int:
    """Return the status to answer with; ``path`` says what to do.

    ``/in/<carrier>/<place>/<outcome>`` plants the request's canary in a place of the telemetry,
    ``/out/<client>/<carrier>/<outcome>`` calls another service with one.
    """
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts[0] == "in":
        return _incoming(*parts[1:4])
    if parts[0] == "out":
        client, carrier, outcome = parts[1:4]
        calling.call(client, carrier, outcome, _OTHERS)
        return 200
    logger.info("the round is finished")
    return 200


def _incoming(carrier: str, place: str, outcome: str) -> int:
    key = planting.canary(carrier, place, outcome)
    planting.plant(place, key)
    if outcome == "error":
        raise RuntimeError(f"nothing goes for {key}, see {planting.url_with(key)}")
    return planting.STATUSES[outcome]
