"""The OpenTelemetry variables that switch the audit off, in whole or in part, without a word."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from keytrail.cli.checks.check import Check
from keytrail.cli.checks.libraries import SERVERS, SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings

_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_PROVIDER: Final = "OTEL_PYTHON_TRACER_PROVIDER"


def checks(_settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the variables of this environment; samplers and exporters change nothing."""
    found = [
        *_sdk(environ),
        *_instrumentations(environ),
        *_excluded(environ),
        *_configuration(environ),
        *_provider(environ),
        *_propagators(environ),
    ]
    yield from found
    if not found:
        yield Check("switches", "ok", "no OTEL_* variable switches the audit off")


def _sdk(environ: Mapping[str, str]) -> Iterator[Check]:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Check(
            "OTEL_SDK_DISABLED",
            "fail",
            "the OpenTelemetry SDK is off: there are no spans, so no use is seen",
            "unset it; OTEL_TRACES_EXPORTER=none exports nothing and keeps the audit",
        )


def _instrumentations(environ: Mapping[str, str]) -> Iterator[Check]:
    disabled = {name.strip() for name in environ.get(_DISABLED, "").split(",")} - {""}
    if "*" in disabled:
        yield Check(
            _DISABLED, "fail", "every instrumentation is off: no use is seen", _take_out("*")
        )
    elif ours := sorted(disabled.intersection({*SUPPORTED, *SERVERS})):
        names = ", ".join(ours)
        yield Check(_DISABLED, "warn", f"calls through {names} are not seen", _take_out(names))


def _take_out(names: str) -> str:
    return f"take {names} out of {_DISABLED}"


_SEEN_ON_THE_WIRE = ("REQUESTS_", "HTTPX_", "URLLIB3_", "URLLIB_", "AIOHTTP_CLIENT_")
"""Clients whose taps see what their instrumentation was told to exclude."""


def _excluded(environ: Mapping[str, str]) -> Iterator[Check]:
    for name, value in sorted(environ.items()):
        if name.startswith("OTEL_PYTHON_") and name.endswith("EXCLUDED_URLS") and value:
            if name.removeprefix("OTEL_PYTHON_").startswith(_SEEN_ON_THE_WIRE):
                continue
            yield Check(
                name,
                "warn",
                "requests to these URLs have no span, so their keys are not seen",
                f"see that no URL in {name} takes a key",
            )


def _configuration(environ: Mapping[str, str]) -> Iterator[Check]:
    if environ.get("OTEL_CONFIG_FILE") and find_spec("opentelemetry.configuration") is None:
        yield Check(
            "OTEL_CONFIG_FILE",
            "fail",
            "the file cannot be read without opentelemetry-configuration: nothing is instrumented",
            "pip install opentelemetry-configuration",
        )


def _provider(environ: Mapping[str, str]) -> Iterator[Check]:
    from opentelemetry.sdk.trace import TracerProvider

    name = environ.get(_PROVIDER, "").strip()
    for entry in entry_points(group="opentelemetry_tracer_provider", name=name) if name else ():
        kind = entry.load()
        if not (isinstance(kind, type) and issubclass(kind, TracerProvider)):
            yield Check(
                _PROVIDER,
                "fail",
                f"{name} is no TracerProvider of the OpenTelemetry SDK: no incoming key is seen",
                "unset it, or see that what it names is a subclass of the SDK's",
            )


def _propagators(environ: Mapping[str, str]) -> Iterator[Check]:
    wanted = {name.strip() for name in environ.get("OTEL_PROPAGATORS", "").split(",")} - {""}
    known = {entry.name for entry in entry_points(group="opentelemetry_propagator")} | {"none"}
    if missing := sorted(wanted - known):
        yield Check(
            "OTEL_PROPAGATORS",
            "fail",
            f"{', '.join(missing)} is not installed: OpenTelemetry does not start",
            "install the package of this propagator, or take it out",
        )
