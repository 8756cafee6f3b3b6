"""The oracle under a flood: a thousand other keys a second, and an endpoint that is dead."""

from __future__ import annotations

import http.client
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

from keytrail.leaks.arriving import Request
from keytrail.leaks.calling import Addresses
from keytrail.leaks.canary import Search, key_of
from leaks import rounds
from leaks.conftest import FULL
from leaks.receivers import dead_receiver
from support.journals import uses_in

SECONDS = 60 if FULL else 2
KEYS_A_SECOND = 1000
KEYS_IN_REQUEST = 5
SENDERS = 4
NOBODY = Addresses("http://127.0.0.1:9", "http://127.0.0.1:9")
WAITING: dict[str, Any] = {"OTEL_EXPORTER_OTLP_TIMEOUT": "600"}
"""A batch that waits is not given up before the endpoint answers, however long the flood takes."""
SEARCHED = 2000
"""So many of the other keys are searched for too, the last ones and the first."""


def test_no_key_is_exported_late(tmp_path: Path) -> None:
    """What waits for the endpoint while other keys push by holds no canary once it answers."""
    others = [f"other {number}" for number in range(SECONDS * KEYS_A_SECOND)]
    with (
        dead_receiver() as received,
        rounds.service("fastapi", tmp_path / "home", received, NOBODY, **WAITING) as port,
    ):
        began = time.monotonic()
        _flood(port, others)
        time.sleep(max(0, began + SECONDS - time.monotonic()))
        received.revive()
        rounds.send(port, Request("/finish"))
        received.await_text("traces", b"/finish", seconds=240)
        received.await_text("logs", b"the round is finished", seconds=240)
    searched = {name: key_of(name) for name in (*others[:SEARCHED], *others[-SEARCHED:])}
    exported = received.everything()
    assert Search(rounds.canaries() | searched).around(exported)[:3] == []
    assert _canaries_in(exported) > 20, "canaries waited, and were exported redacted"
    assert len(uses_in(tmp_path / "home")) >= len(others) // KEYS_IN_REQUEST


def _flood(port: int, others: list[str]) -> None:
    """Send every other key, and the canaries evenly among them."""
    numbers = count()
    canaries = list(rounds.arriving())
    pace = SECONDS * KEYS_A_SECOND // KEYS_IN_REQUEST // len(canaries) or 1

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for number in iter(lambda: next(numbers), None):
            names = others[number * KEYS_IN_REQUEST : (number + 1) * KEYS_IN_REQUEST]
            if not names:
                return
            if number % pace == 0 and number // pace < len(canaries):
                rounds.send(port, canaries[number // pace])
            first, second, third, fourth, fifth = map(key_of, names)
            connection.request(
                "GET",
                f"/in/header/nowhere/success?api_key={second}&access_token={third}",
                headers={
                    "X-API-Key": first,
                    "Authorization": f"Bearer {fourth}",
                    "X-Auth-Token": fifth,
                },
            )
            connection.getresponse().read()

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def _canaries_in(bodies: list[bytes]) -> int:
    fingerprints = {rounds.fingerprint(key).encode() for key in rounds.canaries().values()}
    return sum(any(one in body for body in bodies) for one in fingerprints)
