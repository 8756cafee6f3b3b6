"""Whether this process can record now, for the application's readiness probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.activate import active_audit
from keytrail.journal.accounting import HINTS
from keytrail.settings import Settings

if TYPE_CHECKING:
    from keytrail.otel.audit import Audit

_NOT_ACTIVE = "keytrail is not active in this process"
_STALLED_HINT = "see whether the disk under KEYTRAIL_HOME answers"


@dataclass(frozen=True, slots=True)
class Health:
    """What :func:`health` found."""

    recording: bool
    """Whether uses get to the disk now."""
    reason: str | None
    """What stands in the way, and what to do about it."""
    ready: bool
    """``False`` only where ``KEYTRAIL_STRICT=on`` and ``recording`` is not."""


def health() -> Health:
    """Return whether this process can record now; never waits for a disk, and never raises.

    keytrail itself refuses no request. An application that must not serve unaudited answers its
    readiness probe with :attr:`Health.ready`.
    """
    audit = active_audit()
    reason = _reason(audit)
    strict = (_settings() if audit is None else audit.settings).strict == "on"
    return Health(recording=reason is None, reason=reason, ready=reason is None or not strict)


def _reason(audit: Audit | None) -> str | None:
    if audit is None:
        return f"{_NOT_ACTIVE}\nhint: call keytrail.instrument(), or see the log for why it failed"
    trouble = audit.journal.trouble()
    if trouble is None:
        return None
    return f"{trouble}\nhint: {_STALLED_HINT if trouble == 'stalled' else HINTS[trouble]}"


def _settings() -> Settings:
    return Settings.from_env(complain=lambda _: None)
