"""Whether the inventory can be read, and names keys without holding one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.capture.providers import Catalogue
    from keytrail.settings import Settings


def checks(settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check every entry of the file; without it a service runs on and names no owners."""
    if isinstance(settings.inventory, Path):
        yield _inventory(settings, settings.inventory)


def _inventory(settings: Settings, path: Path) -> Check:
    from keytrail.capture.entry import InventoryError
    from keytrail.capture.inventory_file import read_inventory
    from keytrail.capture.pepper import is_there, load_peppers
    from keytrail.capture.reader import raw_key_judge

    peppers = load_peppers(settings).peppers if is_there(settings) else None
    try:
        entries = read_inventory(path, raw_key_judge(peppers, _catalogue(settings)))
    except InventoryError as error:
        return Check.failed("inventory", error, "correct the file, or KEYTRAIL_INVENTORY")
    if not entries:
        hint = "write one [[keys]] table, or one line of CSV, for each key"
        return Check("inventory", "warn", f"{path} names no key", hint)
    return Check("inventory", "ok", f"{path} names {len(entries)} keys")


def _catalogue(settings: Settings) -> Catalogue:
    from keytrail.capture.catalogue import CatalogueError
    from keytrail.capture.providers import Catalogue

    try:
        return Catalogue.load(settings.catalogue)
    except CatalogueError:  # it is a finding of its own
        return Catalogue.load()
