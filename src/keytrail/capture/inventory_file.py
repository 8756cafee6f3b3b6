"""The entries of an inventory, out of a TOML file, a CSV file or the application's own list.

TOML, one table a key (every field is optional but one of ``fingerprint`` and ``id``):

    [[keys]]
    fingerprint = "547402dd…"          # 64 hex digits, from `keytrail fingerprint`
    id = "AKIAIOSFODNN7EXAMPLE"        # public id
    name = "billing, production"
    owner = "payments"
    environment = "production"
    provider = "stripe"
    hosts = ["api.stripe.com"]         # the only hosts that the key is for
    scopes = ["charges:write"]
    created = 2026-01-31
    expires = 2026-12-31T23:59:59Z
    revoked = true                     # or since when
    decoy = true                       # nobody should ever use it

CSV: a first line with these names, ``hosts`` and ``scopes`` separated by blanks. Fields with other
names are left alone, but for those that would hold a raw key: an inventory names keys, it never
contains them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from keytrail.capture.entry import Entry, InventoryError, read_entry
from keytrail.toml_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

    from keytrail.capture.entry import IsRaw

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ENTRIES: Final = 500_000

Listing = Callable[[], Iterable[Mapping[str, object]]]
"""The application's own inventory: returns all entries, each with the fields of a TOML table."""

_LISTS = ("hosts", "scopes")


def read_inventory(path: Path, is_raw: IsRaw = lambda *_: False) -> tuple[Entry, ...]:
    """Return the entries of a TOML file, or of a CSV file if its name ends in ``.csv``.

    Raises:
        InventoryError: the file cannot be read, or an entry cannot be used.

    """
    read = _csv_fields if path.suffix.lower() == ".csv" else _toml_fields
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InventoryError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
        return tuple(read_entry(where, fields, is_raw) for where, fields in read(path))
    except OSError as error:
        raise InventoryError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InventoryError(f"{path}: not UTF-8 text") from None


def read_listing(listing: Listing, is_raw: IsRaw = lambda *_: False) -> tuple[Entry, ...]:
    """Return the entries that ``listing`` gives.

    Raises:
        InventoryError: an entry cannot be used, or there are too many.
        Exception: what ``listing`` raises.

    """
    entries = []
    for number, fields in enumerate(islice(listing(), MAX_ENTRIES + 1), 1):
        if number > MAX_ENTRIES:
            raise InventoryError(f"inventory: more than {MAX_ENTRIES} entries")
        if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
            raise InventoryError(f"inventory: entry {number}: not a mapping of field names")
        entries.append(read_entry(f"inventory: entry {number}", fields, is_raw))
    return tuple(entries)


def _toml_fields(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    tables = read_toml(path, InventoryError).get("keys", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InventoryError(f"{path}: 'keys' is not a list of tables\nhint: write [[keys]]")
    for number, table in enumerate(tables, 1):
        yield f"{path}: entry {number}", table


def _csv_fields(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                row.pop(None, None)  # cells beyond the last name
                fields = {name.strip().lower(): text for name, text in row.items() if text}
                lists = {name: fields.get(name, "").split() for name in _LISTS}
                yield f"{path}: line {reader.line_num}", {**fields, **lists}
        except csv.Error:
            raise InventoryError(f"{path}: after line {reader.line_num}: not CSV") from None
