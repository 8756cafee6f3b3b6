"""Services whose requests share one thread: what waits there must not hold up the others."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from support.cases import F1, K1, PEPPER
from support.launch import service
from support.servers import http_server
from support.services import clean_environ
from support.sink import Sink

SCRIPT = f"""
from gevent import monkey, pool
ORDER
import requests

def call(url):
    requests.get(url, headers={{"X-API-Key": "{K1}"}}, timeout=60)

import sys
greenlets = pool.Group()
for number in range(20):
    greenlets.spawn(call, f"{{sys.argv[1]}}/{{number}}")
greenlets.join(timeout=60, raise_error=True)
keytrail.flush(60)
"""
PATCH, ACTIVATE = "monkey.patch_all()", "import keytrail; keytrail.instrument()"


def test_requests_of_a_gevent_worker_go_on_together(sink: Sink, tmp_path: Path) -> None:
    """Twenty requests are in one worker at once, each is journaled, and all are delivered."""
    one_worker = ("--worker-class=gevent", "--workers=1")
    with service(
        "gunicorn", tmp_path, arguments=one_worker, KEYTRAIL_OTLP_ENDPOINT=sink.url
    ) as running:

        def meet(_: int) -> str:
            url, headers = f"{running.url}/meet/20", {"X-API-Key": K1}
            return requests.get(url, headers=headers, timeout=60).text

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(meet, range(20))) == ["met"] * 20
        spans = sink.await_audit_spans(20)
    facts = [(span.name, span.attributes["keytrail.key.hash"]) for span in spans]
    assert facts == [("GET /meet/<int:number>", F1)] * 20


@pytest.mark.parametrize("order", [(PATCH, ACTIVATE), (ACTIVATE, PATCH)])
def test_patched_before_or_after_activation(
    order: tuple[str, str], sink: Sink, tmp_path: Path
) -> None:
    """Calls of twenty greenlets are told and delivered, whoever came first."""
    with http_server() as server:
        script = SCRIPT.replace("ORDER", "\n".join(order))
        subprocess.run(
            [sys.executable, "-c", script, server.url],
            env=clean_environ(
                KEYTRAIL_HOME=str(tmp_path),
                KEYTRAIL_PEPPER=PEPPER,
                KEYTRAIL_OTLP_ENDPOINT=sink.url,
            ),
            check=True,
            timeout=120,
        )
    called = Counter(span.attributes["url.path"] for span in sink.audit_spans())
    assert called == {f"/{number}": 1 for number in range(20)}
