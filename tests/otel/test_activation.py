"""Activation beside whatever the user has, in either order, and back out again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import SpanKind

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import F1, K1, PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in
from support.services import clean_environ


def _environ(key: str | None = K1) -> dict[str, Any]:
    carrier: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "shop.example",
    }
    return carrier if key is None else {**carrier, "HTTP_X_API_KEY": key}


def _serve(provider: TracerProvider, key: str | None = K1, status: int = 200) -> None:
    """Do what every stock server instrumentation does with a request."""
    context = propagate.extract(_environ(key))
    tracer = provider.get_tracer("server")
    span = tracer.start_span("POST", context=context, kind=SpanKind.SERVER)
    span.set_attribute("http.status_code", status)
    span.add_event("note", {"text": f"key {key}"})
    span.end()


def _uses(home: Path) -> list[dict[str, Any]]:
    audit = active_audit()
    assert audit is not None
    assert audit.flush(60)
    return uses_in(home)


class Watching(SpanProcessor):
    """A processor of the user's own that keeps what it is shown, as text."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Keep the name."""
        self.started.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the whole span."""
        self.ended.append(span.to_json())


@pytest.fixture
def home(tmp_path: Path) -> Any:
    """A home; keytrail is out of the process again afterwards."""
    yield tmp_path
    keytrail.uninstrument()


def _instrument(home: Path, **settings: Any) -> None:
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=home, **settings))


@pytest.mark.parametrize("multi", [None, ConcurrentMultiSpanProcessor])
@pytest.mark.parametrize("first", ["provider", "keytrail"])
@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_either_order_covers_sampler_and_exporters(
    processor: Any, first: str, multi: Any, home: Path
) -> None:
    """Providers built before and after activation are adopted, processors added later too."""
    exporter = SerialisingExporter()

    def build() -> TracerProvider:
        return TracerProvider(
            sampler=ALWAYS_ON,
            active_span_processor=multi and multi(),
            shutdown_on_exit=False,
        )

    if first == "provider":
        provider = build()
        provider.add_span_processor(processor(exporter))
        provider.get_tracer("server")
        _instrument(home)
    else:
        _instrument(home)
        provider = build()
        provider.add_span_processor(processor(exporter))
    _serve(provider)
    provider.force_flush()
    (use,) = _uses(home)
    assert (use["key"], use["method"], use["path"], use["client"]) == (
        F1,
        "POST",
        "/orders",
        "192.0.2.1",
    )
    (span,) = exporter.spans
    assert span["attributes"]["keytrail.key.hash"] == F1
    assert span["attributes"]["keytrail.outcome"] == "success"
    assert span["events"][0]["attributes"] == {"text": "key REDACTED"}
    provider.shutdown()


def test_a_foreign_processor_gets_its_own_spans_redacted(home: Path) -> None:
    """It sees no span that only keytrail made recordable, and no key in the others."""
    _instrument(home)
    for sampler, seen in ((ALWAYS_OFF, 0), (ALWAYS_ON, 1)):
        watching = Watching()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(watching)
        _serve(provider)
        assert (len(watching.started), len(watching.ended)) == (seen, seen)
        assert not any(K1 in text for text in watching.ended)
    assert len(_uses(home)) == 2


def test_a_users_record_only_span_still_reaches_their_processor(home: Path) -> None:
    """A sampler that records without sampling is the user's decision, and stays so."""

    class RecordOnly(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "RecordOnly"

    _instrument(home)
    watching = Watching()
    provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(watching)
    _serve(provider)
    assert len(watching.ended) == 1


def test_a_textmap_set_later_is_wrapped_too(home: Path) -> None:
    """``set_global_textmap`` after activation changes the propagation, not the audit."""
    _instrument(home)
    before = propagate.get_global_textmap().inner  # type: ignore[attr-defined]
    propagate.set_global_textmap(CompositePropagator([]))
    try:
        _serve(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
        assert len(_uses(home)) == 1
    finally:
        propagate.set_global_textmap(before)


def test_keyless_requests_follow_the_setting(home: Path) -> None:
    """Denied ones are journaled: the recorded ones by default, every one when asked for."""
    for keyless, sampler, journaled in (
        ("counted", ALWAYS_ON, 1),
        ("counted", ALWAYS_OFF, 0),
        ("denied", ALWAYS_OFF, 1),
    ):
        into = home / f"{keyless}-{journaled}-{sampler is ALWAYS_ON}"
        _instrument(into, keyless=keyless)
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        _serve(provider, key=None, status=401)
        _serve(provider, key=None, status=200)
        uses = _uses(into)
        assert [(u.get("key"), u["outcome"]) for u in uses] == [(None, "denied")] * journaled
        keytrail.uninstrument()


def test_uninstrument_takes_everything_out(home: Path) -> None:
    """Afterwards the SDK, the API and the libraries are as they were."""
    import httpcore
    import urllib3.connection

    watched = [
        (propagate, "get_global_textmap"),
        (TracerProvider, "__init__"),
        (TracerProvider, "add_span_processor"),
        (urllib3.connection.HTTPConnection, "request"),
        (urllib3.connection.HTTPConnection, "getresponse"),
        (httpcore.ConnectionPool, "handle_request"),
    ]
    before = [owner.__dict__[name] for owner, name in watched]
    _instrument(home)
    assert all(
        owner.__dict__[name] is not old for (owner, name), old in zip(watched, before, strict=True)
    )
    keytrail.uninstrument()
    assert [owner.__dict__[name] for owner, name in watched] == before


IMPORTED = """
import sys, keytrail
from keytrail import faults
keytrail.instrument()
import opentelemetry.instrumentation.flask as flask, opentelemetry.instrumentation.wsgi as wsgi
def tapped():
    name = "_start_internal_or_server_span"
    return [hasattr(getattr(module, name), "__wrapped__") for module in (flask, wsgi)]
print(tapped(), faults.counts())
keytrail.uninstrument()
print(tapped())
"""


def test_instrumentations_that_import_each_other_are_tapped_each(home: Path) -> None:
    """Flask's imports that of WSGI in its first lines; neither is a fault, both can be undone."""
    told = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=clean_environ(KEYTRAIL_HOME=str(home), KEYTRAIL_PEPPER=PEPPER),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert told.stdout.splitlines() == ["[True, True] {}", "[False, False]"]


def test_a_relative_home_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services change their directory; and a user that nobody knows has no home."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({"KEYTRAIL_HOME": "audit"})
    said: list[str] = []
    Settings.from_env({"KEYTRAIL_HOME": "~no-such-user/audit"}, complain=said.append)
    assert settings.home == tmp_path / "audit"
    assert said == ["KEYTRAIL_HOME: nobody knows the home directory that ~ stands for"]


def test_an_sdk_that_is_off_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No request is seen then, which must not be so without a word."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    _instrument(home)
    _serve(TracerProvider(shutdown_on_exit=False))
    assert _uses(home) == []
    assert caplog.messages == [
        "OTEL_SDK_DISABLED is set: there are no spans, so no incoming key is seen\n"
        "hint: unset it; OTEL_TRACES_EXPORTER=none exports nothing and keeps the audit"
    ]


def test_instrument_twice_is_instrument_once(home: Path) -> None:
    """The second call changes nothing."""
    _instrument(home)
    audit = active_audit()
    _instrument(home / "other")
    assert active_audit() is audit


def test_identify_says_whose_key_it_is(home: Path) -> None:
    """What the application says inside a request is in the row and on the span; a key never is."""
    _instrument(home)
    exporter = SerialisingExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = propagate.extract(_environ())
    from opentelemetry import context as otel_context
    from opentelemetry import trace

    span = provider.get_tracer("server").start_span("POST", context, kind=SpanKind.SERVER)
    token = otel_context.attach(trace.set_span_in_context(span, context))
    keytrail.identify(owner="Ann", key_id="key-7", reason="expired")
    otel_context.detach(token)
    span.end()
    (use,) = _uses(home)
    assert (use["owner"], use["key_id"], use["reason"]) == ("Ann", "key-7", "expired")
    assert exporter.spans[0]["attributes"]["keytrail.key.owner"] == "Ann"


def test_identify_refuses_the_raw_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A16: the raw key as name, owner or id is dropped and counted."""
    monkeypatch.setattr(faults, "reraise", False)
    _instrument(home)
    provider = TracerProvider(shutdown_on_exit=False)
    from opentelemetry import context as otel_context

    context = propagate.extract(_environ())
    span = provider.get_tracer("server").start_span("POST", context, kind=SpanKind.SERVER)
    token = otel_context.attach(context)
    counted = faults.counts().get("identify.raw_key", 0)
    keytrail.identify(owner=K1, name=f"key {K1}", key_id=K1)
    otel_context.detach(token)
    span.end()
    (use,) = _uses(home)
    assert K1 not in str(use)
    assert (use.get("owner"), use.get("key_name"), use.get("key_id")) == (None, None, None)
    assert faults.counts()["identify.raw_key"] == counted + 3


@pytest.mark.parametrize(
    ("policy", "client"), [("full", "192.0.2.1"), ("truncated", "192.0.2.0"), ("none", None)]
)
def test_the_address_policy_holds_for_the_whole_line(policy: Any, client: str, home: Path) -> None:
    """No attribute of a line says more of the client's address than the policy allows."""
    _instrument(home, client_address=policy)
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("server").start_span(
        "POST",
        context=propagate.extract(_environ()),
        kind=SpanKind.SERVER,
        attributes={"net.peer.ip": "192.0.2.1", "network.peer.address": "192.0.2.1"},
    )
    span.end()
    (use,) = _uses(home)
    assert use.get("client") == client
    assert ("192.0.2.1" in str(use)) is (policy == "full")
