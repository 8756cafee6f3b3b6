"""Providers of every make: plain, subclassed, replaced, with samplers from anywhere, or foreign."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracerProvider, SpanKind
from opentelemetry.util._once import Once

import keytrail
from keytrail import faults
from keytrail.activate import active_audit
from keytrail.otel import adopt
from keytrail.settings import Secret, Settings
from support.carriers import wsgi_carrier
from support.cases import F1, PEPPER
from support.journals import uses_in


class OwnSampler(TracerProvider):
    """Gives its tracers a sampler that nobody can assign."""

    @property
    def sampler(self) -> Sampler:
        """Nothing is sampled."""
        return ALWAYS_OFF

    @sampler.setter
    def sampler(self, _: Sampler) -> None:
        pass


class OwnTracer(Tracer):
    """A user's own kind of tracer."""


class OwnTracers(TracerProvider):
    """Makes its tracers itself."""

    def get_tracer(self, *names: Any, **more: Any) -> Any:
        """Return a tracer of the user's own kind."""
        made: Any = super().get_tracer(*names, **more)
        return OwnTracer(
            self.sampler,
            made.resource,
            made.span_processor,
            made.id_generator,
            made.instrumentation_info,
            made._span_limits,
            made._instrumentation_scope,
        )


class Forwarding(trace.TracerProvider):
    """A provider that is not the SDK's, but passes on to one that is."""

    def __init__(self) -> None:
        self.inner = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)

    def get_tracer(self, *names: Any, **more: Any) -> trace.Tracer:
        """Return the SDK's tracer."""
        return self.inner.get_tracer(*names, **more)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, with no global provider yet."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    yield tmp_path
    keytrail.uninstrument()


def _instrument(home: Path) -> None:
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=home))


def _serve(tracer: trace.Tracer) -> None:
    context = propagate.extract(wsgi_carrier())
    tracer.start_span("GET", context=context, kind=SpanKind.SERVER).end()


def _keys(home: Path) -> list[str]:
    audit = active_audit()
    assert audit is not None
    assert audit.flush(60)
    return [use["key"] for use in uses_in(home)]


@pytest.mark.parametrize("first", ["provider", "keytrail"])
@pytest.mark.parametrize("kind", [OwnSampler, OwnTracers, Forwarding])
def test_a_provider_of_the_users_own_loses_no_use(kind: Any, first: str, home: Path) -> None:
    """Wherever a tracer has its sampler from, what it drops is journaled if it carries a key."""
    if first == "keytrail":
        _instrument(home)
    provider = kind()
    if isinstance(provider, OwnTracers):
        provider.sampler = ALWAYS_OFF
    early = provider.get_tracer("early")
    if first == "provider":
        _instrument(home)
    trace.set_tracer_provider(provider)
    for tracer in (early, provider.get_tracer("late"), trace.get_tracer("global")):
        _serve(tracer)
    assert _keys(home) == [F1] * 3


def test_a_sampler_may_be_assigned_and_found_again(home: Path) -> None:
    """The provider's sampler stays the user's own object, and one that is assigned late counts."""
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    _instrument(home)
    assert provider.sampler is ALWAYS_ON
    provider.sampler = ALWAYS_OFF
    assert provider.sampler is ALWAYS_OFF
    _serve(provider.get_tracer("late"))
    assert _keys(home) == [F1]
    assert [use["sampled"] for use in uses_in(home)] == [False]


@pytest.mark.parametrize("first", ["provider", "keytrail"])
def test_a_provider_without_a_seam_is_told(
    first: str, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is not the SDK's is named in the log with a hint, and counted as a fault."""
    monkeypatch.setattr(faults, "reraise", False)
    monkeypatch.setattr(adopt, "_built_before", lambda _: iter(()))  # those of other tests
    before = faults.counts().get("adopt", 0)
    if first == "keytrail":
        _instrument(home)
    with caplog.at_level(logging.WARNING, "keytrail"):
        trace.set_tracer_provider(NoOpTracerProvider())
        if first == "provider":
            _instrument(home)
    assert (
        "NoOpTracerProvider is not the OpenTelemetry SDK's: no incoming key is seen\n"
        "hint: set an opentelemetry.sdk.trace.TracerProvider, or a subclass of it"
    ) in caplog.messages
    assert faults.counts()["adopt"] == before + 1


def test_a_provider_that_passes_on_to_the_sdk_is_not(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A foreign provider in front of one that keytrail has adopted takes nothing away."""
    _instrument(home)
    with caplog.at_level(logging.WARNING, "keytrail"):
        trace.set_tracer_provider(Forwarding())
    assert caplog.messages == []
