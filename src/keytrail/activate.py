"""Activation: the same in code and without code; idempotent, and never raises into the host."""

from __future__ import annotations

import importlib
import os
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED

from keytrail import faults
from keytrail.capture.adapters import inner_span_tap
from keytrail.ending import Ending
from keytrail.imports import when_imported
from keytrail.otel.adopt import Adoption
from keytrail.otel.audit import Audit
from keytrail.otel.wire import TappedWire
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from keytrail.capture.adapters.taps import Tap

TAPS = {
    "urllib.request": "keytrail.capture.adapters.urllib_tap",
    "urllib3.connectionpool": "keytrail.capture.adapters.urllib3_pool_tap",
    "urllib3.poolmanager": "keytrail.capture.adapters.urllib3_tap",
    "requests.sessions": "keytrail.capture.adapters.requests_tap",
    "httpx": "keytrail.capture.adapters.httpx_tap",
    "httpx2": "keytrail.capture.adapters.httpx2_tap",
    "aiohttp.client": "keytrail.capture.adapters.aiohttp_client_tap",
    "grpc": "keytrail.capture.adapters.grpc_tap",
    "opentelemetry.instrumentation.grpc._server": "keytrail.capture.adapters.grpc_status_tap",
    "opentelemetry.instrumentation.asgi": "keytrail.capture.adapters.websocket_tap",
    "flask": "keytrail.capture.adapters.flask_tap",
    "tornado.httputil": "keytrail.capture.adapters.tornado_tap",
}
"""Tapped module → the adapter that taps it, as soon as the application imports the module."""


@dataclass(eq=False)
class _Active:
    audit: Audit
    wire: TappedWire
    adoption: Adoption
    ending: Ending
    taps: list[Tap] = field(default_factory=list)
    ended: bool = False


_active: _Active | None = None
_lock = threading.Lock()


def zero_code() -> None:
    """Activate under ``opentelemetry-instrument``; settings come from the environment."""
    instrument()


def instrument(settings: Settings | None = None, **overrides: Any) -> None:
    """Audit this process: adopt its providers, and tap the clients that are installed.

    ``settings`` default to the environment's; ``overrides`` are fields of :class:`Settings`.
    A second call changes nothing. A failure is counted and logged by its type; the application
    runs on unaudited.
    """
    global _active
    with _lock:
        if _active is not None:
            return
        try:
            chosen = settings or Settings.from_env(complain=_complain)
            _active = _activate(replace(chosen, **overrides))
        except Exception as error:  # noqa: BLE001 - an exception here would skip every instrumentor
            faults.report("activate", error)


def uninstrument() -> None:
    """Take keytrail out of this process again, after writing what is in memory."""
    global _active
    with _lock:
        if _active is None:
            return
        _active.ended = True
        for tap in reversed(_active.taps):
            tap.take()
        _active.adoption.undo()
        _active.ending.take()
        _active.audit.close()
        _active = None


@faults.guarded("flush", False)
def flush(timeout: float = 5.0) -> bool:
    """Write and deliver the uses that have ended; tell whether ``timeout`` seconds were enough.

    For whoever is frozen or killed without notice, as at the end of a serverless handler. What is
    not delivered in time waits on disk.
    """
    return True if _active is None else _active.ending.flush(timeout)


def active_audit() -> Audit | None:
    """Return the audit that :func:`instrument` started."""
    return None if _active is None else _active.audit


def _activate(settings: Settings) -> _Active:
    audit = Audit(settings)
    _say_where_the_pepper_is(audit)
    _say_whether_there_are_spans()
    adoption = Adoption(audit)
    adoption.adopt()
    active = _Active(audit, TappedWire(audit), adoption, Ending(audit, adoption))
    _install_taps(active)
    if settings.redact_logs:
        active.taps += importlib.import_module("keytrail.logs").install()
    active.ending.cover()
    return active


def _install_taps(active: _Active) -> None:
    for module, adapter in TAPS.items():
        when_imported(module, active, _tapping(partial(_install_adapter, adapter)))
    for module in inner_span_tap.MODULES:
        when_imported(module, active, _tapping(inner_span_tap.install))


def _install_adapter(adapter: str, wire: TappedWire, _: ModuleType) -> list[Tap]:
    installed: list[Tap] = importlib.import_module(adapter).install(wire)
    return installed


def _tapping(
    install: Callable[[TappedWire, ModuleType], list[Tap]],
) -> Callable[[_Active, ModuleType], None]:
    def tap(active: _Active, module: ModuleType) -> None:
        if active.ended:
            return
        try:
            active.taps += install(active.wire, module)
        except Exception as error:  # noqa: BLE001 - the application's import goes on
            faults.report(f"tap.{module.__name__}", error)

    return tap


def _say_where_the_pepper_is(audit: Audit) -> None:
    if audit.peppers.origin == "generated":
        faults.logger.warning(
            "no KEYTRAIL_PEPPER is set: using the one of this installation, %s; "
            "services that share keys must share a pepper",
            audit.peppers.path,
        )
    elif audit.peppers.origin == "process":
        faults.logger.warning(
            "no KEYTRAIL_PEPPER is set and none could be stored: "
            "fingerprints of this process compare with no other's"
        )


def _say_whether_there_are_spans() -> None:
    if os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        faults.logger.warning(
            "%s is set: there are no spans, so no incoming key is seen\n"
            "hint: unset it; OTEL_TRACES_EXPORTER=none exports nothing and keeps the audit",
            OTEL_SDK_DISABLED,
        )


def _complain(message: str) -> None:
    faults.logger.warning("%s", message)
