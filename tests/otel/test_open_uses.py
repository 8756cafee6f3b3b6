"""A use exists from the moment when its request begins, whether or not its end is ever seen."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import propagate
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.otel import open_uses
from keytrail.store.store import Store
from support.carriers import wsgi_carrier
from support.cases import F1, K1
from support.instrumented import Instrumented
from support.journals import await_uses, uses_in
from support.sink import otlp_sink


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every running use count as one that runs for long."""
    monkeypatch.setattr(open_uses, "LONG", 0.0)
    monkeypatch.setattr(open_uses, "_BETWEEN_LOOKS", 0.0)


def _begin(provider: TracerProvider, key: str | None = K1) -> Span:
    context = propagate.extract(wsgi_carrier(key))
    span = provider.get_tracer("server").start_span("GET", context=context, kind=SpanKind.SERVER)
    assert isinstance(span, Span)
    return span


def _end(span: Span, status: int = 200) -> None:
    span.set_attribute("http.status_code", status)
    span.end()


def _told(uses: list[dict[str, Any]]) -> list[tuple[str, str, int | None]]:
    return [(use["key"], use["outcome"], use.get("status")) for use in uses]


def _rows(home: Path) -> list[tuple[Any, ...]]:
    with closing(Store(home)) as store:
        return store.all("SELECT key, outcome, status FROM uses")


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_request_that_runs_for_long_is_told_and_its_end_wins(
    sampler: Sampler, otel: Instrumented, long: None
) -> None:
    """It is one use, ``unknown`` while it runs, and with its true outcome once it has ended."""
    span = _begin(otel.start(sampler))
    assert _told(await_uses(otel.home, 1)) == [(F1, "unknown", None)]
    assert _rows(otel.home) == [(F1, "unknown", None)]
    _end(span, 403)
    assert _told(otel.uses()) == [(F1, "unknown", None), (F1, "denied", 403)]
    assert len({(use["trace_id"], use["span_id"]) for use in uses_in(otel.home)}) == 1
    assert _rows(otel.home) == [(F1, "denied", 403)]


def test_a_young_request_is_not_told(otel: Instrumented) -> None:
    """Whoever ends within a minute has one line."""
    span = _begin(otel.start())
    assert otel.uses() == []
    _end(span)
    assert _told(otel.uses()) == [(F1, "success", 200)]


def test_it_is_told_once_however_long_it_runs(otel: Instrumented, long: None) -> None:
    """A use that runs through many rounds of the audit thread has one line until it ends."""
    span = _begin(otel.start())
    for _ in range(5):
        assert len(otel.uses()) == 1
    _end(span)
    assert len(otel.uses()) == 2


def test_what_runs_when_keytrail_ends_is_told(otel: Instrumented) -> None:
    """However young it is, a running use is on disk when the process has closed its journal."""
    _begin(otel.start())
    keytrail.uninstrument()
    assert _told(uses_in(otel.home)) == [(F1, "unknown", None)]


def test_a_request_without_a_key_is_not_told(otel: Instrumented, long: None) -> None:
    """Only a use exists from its beginning."""
    span = _begin(otel.start(keyless="denied"), None)
    assert otel.uses() == []
    _end(span, 401)
    assert [use["outcome"] for use in otel.uses()] == ["denied"]


def test_a_call_that_hangs_is_told(
    otel: Instrumented, long: None, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untraced or unsampled outgoing call is told while nobody answers it, then with its end."""
    otel.start(ALWAYS_OFF)
    release, arrived = threading.Event(), threading.Event()

    class Held(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            arrived.set()
            assert release.wait(60)
            return 503, {}

    monkeypatch.setattr(server, "routes", Held())
    call = threading.Thread(
        target=httpx.get,
        args=(server.url,),
        kwargs={"headers": {"X-API-Key": K1}, "timeout": 60},
    )
    call.start()
    assert arrived.wait(60)
    running = await_uses(otel.home, 1)
    assert [(use["direction"], use["outcome"], use["host"]) for use in running] == [
        ("outgoing", "unknown", "127.0.0.1")
    ]
    release.set()
    call.join(60)
    assert _told(otel.uses())[1:] == [(F1, "error", 503)]
    assert _rows(otel.home) == [(F1, "error", 503)]


def test_the_last_line_of_a_use_is_that_of_its_end(otel: Instrumented, long: None) -> None:
    """However the audit thread and the requests' threads meet, the end of a use is told last."""
    provider = otel.start(journal_interval=0.001)

    def serve() -> None:
        for _ in range(300):
            _end(_begin(provider))

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = {use["span_id"]: use["outcome"] for use in _in_order(otel)}
    assert (len(last), set(last.values())) == (1200, {"success"})


def _in_order(otel: Instrumented) -> list[dict[str, Any]]:
    otel.uses()
    (segment,) = otel.home.glob("live/*/*.ndjson")
    lines = map(json.loads, segment.read_text("utf-8").splitlines())
    return [line for line in lines if "record" not in line]


def test_a_forked_child_leaves_running_uses_to_its_parent(otel: Instrumented, long: None) -> None:
    """What a child ends of its parent's is the parent's to tell: each use has one process."""
    span = _begin(otel.start())
    otel.uses()
    child = os.fork()
    if child == 0:
        _end(span, 500)
        keytrail.uninstrument()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    _end(span, 200)
    assert _told(otel.uses()) == [(F1, "unknown", None), (F1, "success", 200)]


def test_delivery_sends_both_and_the_books_balance(otel: Instrumented, long: None) -> None:
    """The endpoint gets the early and the last line with equal ids, and nothing is left over."""
    with otlp_sink() as sink:
        span = _begin(otel.start(ALWAYS_OFF, otlp_endpoint=sink.url))
        await_uses(otel.home, 1)
        _end(span, 401)
        audit = active_audit()
        assert audit is not None
        keytrail.uninstrument()
        books = audit.journal.accounting.snapshot()
    assert [span.attributes["keytrail.outcome"] for span in sink.spans] == ["unknown", "denied"]
    assert len({(span.trace_id, span.span_id) for span in sink.spans}) == 1
    assert (books.seen, books.delivered, books.waiting, books.dropped) == (2, 2, 0, {})


def test_beyond_the_bound_the_oldest_is_told_and_forgotten(
    otel: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses that never end take no memory without bound, and none of them is lost."""
    monkeypatch.setattr(faults, "reraise", False)
    monkeypatch.setattr(open_uses, "_MOST", 2)
    monkeypatch.setattr(open_uses, "_BETWEEN_LOOKS", 0.0)
    before = faults.counts().get("open_uses", 0)
    provider = otel.start(journal_interval=60)
    running = [_begin(provider) for _ in range(3)]
    assert _told(otel.uses()) == [(F1, "unknown", None)]
    for span in running:
        _end(span)
    assert _told(otel.uses()) == [(F1, "unknown", None), *[(F1, "success", 200)] * 2]
    assert faults.counts()["open_uses"] == before + 1
