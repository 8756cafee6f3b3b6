"""Whether the private names that keytrail relies on still stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings


def checks(_settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check every seam on the versions that are installed here."""
    from keytrail.seams import SEAMS

    lost = [(seam.name, message) for seam in SEAMS if (message := seam.check()) is not None]
    for name, message in lost:
        yield Check(f"seam {name}", "fail", message, "install versions that this keytrail supports")
    if not lost:
        yield Check("seams", "ok", f"all {len(SEAMS)} hold on the installed versions")
