"""Whether anything puts keytrail into a service."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings


def checks(_settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the entry points of keytrail and of OpenTelemetry's own set-up."""
    yield _entry_point()
    yield _configurator()


def _entry_point() -> Check:
    found = entry_points(group="opentelemetry_pre_instrument", name="keytrail")
    if not found:
        return Check(
            "activation",
            "fail",
            "the entry point opentelemetry_pre_instrument:keytrail is not installed",
            "pip install --force-reinstall keytrail",
        )
    return _loaded(next(iter(found)))


def _loaded(entry_point: EntryPoint) -> Check:
    try:
        entry_point.load()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from loading is the finding
        return Check(
            "activation",
            "fail",
            f"the entry point {entry_point.value} cannot be loaded: {type(error).__name__}",
            "pip install --upgrade keytrail opentelemetry-sdk",
        )
    return Check("activation", "ok", "keytrail starts with OpenTelemetry's auto-instrumentation")


def _configurator() -> Check:
    found = sorted({entry.name for entry in entry_points(group="opentelemetry_configurator")})
    if not found:
        return Check(
            "configurator",
            "warn",
            "nothing sets up the OpenTelemetry SDK: a service must do so in code",
            "pip install opentelemetry-distro",
        )
    return Check("configurator", "ok", f"the OpenTelemetry SDK is set up by {', '.join(found)}")
