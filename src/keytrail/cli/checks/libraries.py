"""Which libraries are installed whose calls keytrail sees, and whether they are instrumented."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import TYPE_CHECKING, Final

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings

SUPPORTED: Final = {
    "fastapi": ("fastapi",),
    "starlette": ("starlette",),
    "flask": ("flask",),
    "django": ("django",),
    "litestar": ("asgi",),
    "falcon": ("falcon",),
    "pyramid": ("pyramid",),
    "tornado": ("tornado",),
    "aiohttp": ("aiohttp-server", "aiohttp-client"),
    "grpcio": ("grpc",),
    "requests": ("requests",),
    "httpx": ("httpx",),
    "httpx2": ("httpx",),
    "urllib3": ("urllib3",),
    "botocore": ("botocore",),
}
"""Libraries by their own name; ``opentelemetry-instrumentation-<name>`` instruments each."""

SERVERS: Final = frozenset({"asgi", "wsgi", "aiohttp-server", "grpc_server", "grpc_aio_server"})
"""Instrumentations of servers that go by another name where they are switched off."""

_CLIENTS: Final = frozenset({"requests", "httpx", "httpx2", "urllib3", "botocore"})
"""Libraries whose calls are seen on the wire, whoever traces them."""

_PART_OF: Final = {"starlette": "fastapi", "urllib3": "requests"}
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
    title, needed = f"library {name}", [_package(part) for part in SUPPORTED[name]]
    missing = [package for package in needed if _found(package) is None]
    if missing:
        lost = (
            "each of its calls is a use of its own, outside of any trace"
            if name in _CLIENTS
            else "its calls are not seen"
        )
        return Check(title, "warn", f"{version(name)} is not instrumented: {lost}", _add(missing))
    for package in needed:
        if not _fits(distribution(package)):
            return Check(
                title,
                "fail",
                f"{version(name)} is not supported by {package} {version(package)}",
                f"pip install --upgrade {name} {package}",
            )
    by = ", ".join(f"{package} {version(package)}" for package in needed)
    return Check(title, "ok", f"{version(name)}, instrumented by {by}")


def _fits(instrumentation: Distribution) -> bool:
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    return get_dist_dependency_conflicts(instrumentation) is None


def _add(missing: list[str]) -> str:
    """Instrumentation packages work only with the base package of the same release."""
    base = _found("opentelemetry-instrumentation")
    release = f"=={base.version}" if base else ""
    return f"pip install {' '.join(package + release for package in missing)}"


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
