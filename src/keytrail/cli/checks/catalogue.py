"""Whether the user's catalogue of providers can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings


def checks(settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check every entry of the file; a service runs on with keytrail's own providers alone."""
    from keytrail.capture.catalogue import CatalogueError, read_providers

    path = settings.catalogue
    if path is None:
        return
    try:
        providers = read_providers(path)
    except CatalogueError as error:
        yield Check.failed("catalogue", error, "correct the file, or KEYTRAIL_CATALOGUE")
    else:
        yield Check("catalogue", "ok", f"{path} adds {len(providers)} providers")
