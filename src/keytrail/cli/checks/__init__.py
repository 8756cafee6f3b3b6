"""What ``keytrail doctor`` looks at: each module is one subject, each function one check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.cli.checks import (
    activation,
    catalogue,
    delivery,
    home,
    inventory,
    libraries,
    pepper,
    seams,
    switches,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from keytrail.cli.checks.check import Check
    from keytrail.settings import Settings

_SUBJECTS: Final[tuple[Callable[[Settings, Mapping[str, str]], Iterable[Check]], ...]] = (
    activation.checks,
    libraries.checks,
    seams.checks,
    switches.checks,
    variables.checks,
    pepper.checks,
    catalogue.checks,
    inventory.checks,
    home.checks,
    delivery.checks,
)


def examine(settings: Settings, environ: Mapping[str, str]) -> list[Check]:
    """Return every check of this Python environment, in the order in which a person would fix."""
    return [check for subject in _SUBJECTS for check in subject(settings, environ)]
