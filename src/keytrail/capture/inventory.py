"""The keys that the user knows about: a file that names them by fingerprint or public id.

TOML, one table a key (every field is optional but one of ``fingerprint`` and ``id``):

    [[keys]]
    fingerprint = "547402dd…"          # 64 hex digits, from `keytrail fingerprint`
    id = "AKIAIOSFODNN7EXAMPLE"        # public id
    name = "billing, production"
    owner = "payments"
    environment = "production"
    provider = "stripe"
    hosts = ["api.stripe.com"]         # the only hosts that the key is for

CSV: a first line with these names, ``hosts`` separated by blanks. Fields with other names are left
alone, but for those that would hold a raw key: an inventory names keys, it never contains them.
"""

from __future__ import annotations

import csv
import logging
import os
import re
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keytrail import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_TEXT: Final = 128
CHECK_SECONDS: Final = 5.0
"""How often, at most, it is looked whether the file has changed."""

_RAW_FIELDS = frozenset({"key", "api_key", "apikey", "raw", "raw_key", "secret", "token"})
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_POSITION = re.compile(r"\(at [^()]*\)$")

logger = logging.getLogger("keytrail")


class InventoryError(ValueError):
    """An inventory that cannot be used; names file and line or entry, never a value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the inventory says of one key."""

    fingerprint: str | None = None
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    environment: str | None = None
    provider: str | None = None
    hosts: tuple[str, ...] = ()


def read_inventory(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a TOML file, or of a CSV file if its name ends in ``.csv``.

    Raises:
        InventoryError: the file cannot be read, or an entry cannot be used.

    """
    read = _csv_fields if path.suffix.lower() == ".csv" else _toml_fields
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InventoryError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
        return tuple(_entry(where, fields) for where, fields in read(path))
    except OSError as error:
        raise InventoryError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InventoryError(f"{path}: not UTF-8 text") from None


class Inventory:
    """The entries of a file, read again in a thread of its own when the file has changed.

    A file that cannot be read is counted as a fault and told once for each change; what was read
    before stays in force.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.entries: tuple[Entry, ...] = ()
        self._path = path
        self._clock = clock
        self._state: tuple[int, int] | None = None
        self._known: Mapping[str, Entry] = {}
        self._next_check = clock() + CHECK_SECONDS
        if path is not None:
            self._state = _state_of(path)
            self._load(path)

    def find(self, fingerprint: str, key_id: str | None = None) -> Entry | None:
        """Return the entry of a key by its fingerprint, else by its public id."""
        entry = self._known.get(fingerprint)
        if entry is None and key_id is not None:
            entry = self._known.get(_id_index(key_id))
        return entry

    def current(self) -> tuple[Entry, ...]:
        """Return the entries in force, and see now and then whether the file has changed."""
        if self._path is not None and self._clock() >= self._next_check:
            self._check(self._path)
        return self.entries

    def _check(self, path: Path) -> None:
        self._next_check = self._clock() + CHECK_SECONDS
        state = _state_of(path)
        if state != self._state:
            self._state = state
            reader = threading.Thread(
                target=self._load, args=(path,), name="keytrail-inventory", daemon=True
            )
            try:
                reader.start()
            except RuntimeError as error:  # no more threads: the old entries stay
                faults.report("capture.inventory", error)

    def _load(self, path: Path) -> None:
        try:
            entries = read_inventory(path)
        except InventoryError as error:
            logger.warning("inventory not read: %s", error)
            faults.report("capture.inventory", error)
            return
        known = {_id_index(entry.id): entry for entry in entries if entry.id}
        known |= {entry.fingerprint: entry for entry in entries if entry.fingerprint}
        self.entries, self._known = entries, known


def _id_index(key_id: str) -> str:
    return f"id {key_id}"


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _toml_fields(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file).get("keys", [])
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        raise InventoryError(f"{path}: not TOML {position[0] if position else ''}") from None
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
                hosts = fields.get("hosts", "").split()
                yield f"{path}: line {reader.line_num}", {**fields, "hosts": hosts}
        except csv.Error:
            raise InventoryError(f"{path}: after line {reader.line_num}: not CSV") from None


def _entry(where: str, fields: Mapping[str, object]) -> Entry:
    raw = sorted(_RAW_FIELDS & {name.lower() for name in fields})
    if raw:
        raise InventoryError(
            f"{where}: {raw[0]!r} would hold a raw key"
            "\nhint: write the output of `keytrail fingerprint` as 'fingerprint'"
        )
    hosts = fields.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise InventoryError(f"{where}: 'hosts' is not a list of host names")
    entry = Entry(
        fingerprint=_fingerprint(where, fields),
        id=_text(where, fields, "id"),
        name=_text(where, fields, "name"),
        owner=_text(where, fields, "owner"),
        environment=_text(where, fields, "environment"),
        provider=_text(where, fields, "provider"),
        hosts=tuple(host.strip().lower() for host in hosts),
    )
    if entry.fingerprint is None and entry.id is None:
        raise InventoryError(f"{where}: neither 'fingerprint' nor 'id'")
    return entry


def _fingerprint(where: str, fields: Mapping[str, object]) -> str | None:
    text = _text(where, fields, "fingerprint")
    if text is None:
        return None
    if not _FINGERPRINT.fullmatch(text.lower()):
        raise InventoryError(
            f"{where}: 'fingerprint' is not 64 hex digits"
            "\nhint: `keytrail fingerprint` prints it; never write the key itself"
        )
    return text.lower()


def _text(where: str, fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InventoryError(f"{where}: {name!r} is not a text")
    if len(value) > MAX_TEXT:
        raise InventoryError(f"{where}: {name!r} is longer than {MAX_TEXT} characters")
    return value.strip()
