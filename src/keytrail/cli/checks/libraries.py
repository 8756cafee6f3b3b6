"""Which libraries are installed whose calls keytrail sees, and whether they are instrumented."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import TYPE_CHECKING, Final

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings

SUPPORTED: Final = ("fastapi", "starlette", "flask", "requests", "httpx")
"""Libraries by their own name; ``opentelemetry-instrumentation-<name>`` instruments each."""

_PART_OF: Final = {"starlette": "fastapi"}
"""A library whose instrumentation is not needed where the other one is instrumented."""


def checks(_settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check every supported library that is installed."""
    installed = [name for name in SUPPORTED if _found(name) and not _is_covered(name)]
    if not installed:
        yield Check(
            "libraries",
            "warn",
            f"none of the supported libraries is installed here: {', '.join(SUPPORTED)}",
            "run `keytrail doctor` in the environment of the service",
        )
    for name in installed:
        yield _library(name)


def _library(name: str) -> Check:
    title = f"library {name}"
    instrumentation = _found(_package(name))
    if instrumentation is None:
        return Check(
            title,
            "warn",
            f"{version(name)} is not instrumented: its calls are not seen",
            _add(name),
        )
    if not _fits(instrumentation):
        return Check(
            title,
            "fail",
            f"{version(name)} is not supported by {_package(name)} {instrumentation.version}",
            f"pip install --upgrade {name} {_package(name)}",
        )
    return Check(
        title, "ok", f"{version(name)}, instrumented by {_package(name)} {instrumentation.version}"
    )


def _fits(instrumentation: Distribution) -> bool:
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    return get_dist_dependency_conflicts(instrumentation) is None


def _add(name: str) -> str:
    """Instrumentation packages work only with the base package of the same release."""
    base = _found("opentelemetry-instrumentation")
    release = f"=={base.version}" if base else ""
    return f"pip install {_package(name)}{release}"


def _is_covered(name: str) -> bool:
    whole = _PART_OF.get(name)
    return whole is not None and _found(whole) is not None and _found(_package(whole)) is not None


def _package(name: str) -> str:
    return f"opentelemetry-instrumentation-{name}"


def _found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
