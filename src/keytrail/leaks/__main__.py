"""``python -m keytrail.leaks FILE [--without]``: one dry run of this environment, told in a file.

It runs in a process of its own: what is activated here stays activated. Every library that is
installed and instrumented gets canaries in every place; the file says which of them, in which
signal, would have been exported.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from opentelemetry import trace

from keytrail import activate
from keytrail.leaks import answering, calling, planting, serving
from keytrail.leaks.arriving import CARRIERS, ONLY_IN_CARRIER
from keytrail.leaks.canary import Search
from keytrail.leaks.dry_run import DryRun

_MODULES: Final = {"httpx async": "httpx"}
"""Clients whose entry is not the name of their module."""
_AT_ONCE: Final = 8


def main(into: Path, *, without: bool) -> None:
    """Run the pipeline dry and write what it would export to ``into``."""
    if without:
        activate.zero_code = lambda: None
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    logging.disable()  # what starts up may log, and what is logged may be sent
    initialize()
    dry_run = DryRun()
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.DEBUG)
    with answering.others() as others:
        keys = {**_incoming(), **_outgoing(others)}
    dry_run.finish()
    search = Search(keys)
    found = {
        signal: sorted({leak.place for leak in search.leaks(*bodies)})
        for signal, bodies in dry_run.exported.items()
    }
    told = {"exporters": dry_run.exporters, "places": list(keys), "leaks": found}
    into.write_text(json.dumps(told), "utf-8")


def _incoming() -> dict[str, str]:
    """Send requests with canaries through every framework; return the canaries by place."""
    keys = {}
    for name in serving.SERVERS:
        if find_spec(name) is None:
            continue
        for carrier in (*CARRIERS, *ONLY_IN_CARRIER):
            keys[f"{name}: {carrier}"] = _arrive(name, carrier, "nowhere")
        for place in (one for one in planting.PLACES if one != "nowhere"):
            keys[f"{name}: header to {place}"] = _arrive(name, "header", place)
    return keys


def _arrive(name: str, carrier: str, place: str) -> str:
    key = planting.canary(carrier, place, name)

    def handle() -> int:
        planting.plant(place, key)
        return 200

    serving.SERVERS[name](handle)((CARRIERS | ONLY_IN_CARRIER)[carrier]("/leaks/check", key))
    return key


def _outgoing(others: calling.Addresses) -> dict[str, str]:
    """Call with canaries through every client; return the canaries by place."""
    tracer = trace.get_tracer("app")
    calls = [
        (client, carrier, outcome)
        for client in calling.CLIENTS
        if find_spec(_MODULES.get(client, client)) is not None
        for carrier in calling.CARRIERS
        for outcome in calling.OUTCOMES
        if calling.exists(carrier, outcome)
    ]

    def make(parts: tuple[str, str, str]) -> None:
        with suppress(planting.ClientError), tracer.start_as_current_span("in a request"):
            calling.call(*parts, others)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, calls))
    return {
        f"{client}: {carrier}, {outcome}": calling.canary(client, carrier, outcome)
        for client, carrier, outcome in calls
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), without="--without" in sys.argv)
    os._exit(0)  # at a normal exit exporters might send what they hold
