"""Whether the ``KEYTRAIL_*`` variables are settings, and their values in range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def checks(_settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """Check every variable; a service runs on with the default of what cannot be used."""
    complaints: list[str] = []
    Settings.from_env(environ, complain=complaints.append)
    for complaint in complaints:
        yield Check.failed("settings", complaint, "see docs/settings.md")
    if not complaints:
        yield Check("settings", "ok", "every KEYTRAIL_* variable can be used")
