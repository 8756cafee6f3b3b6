"""The keys that the user knows about, by fingerprint or public id; never a raw key."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keytrail import faults, native
from keytrail.capture.entry import InventoryError
from keytrail.capture.inventory_file import read_inventory, read_listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keytrail.capture.entry import Entry, IsRaw
    from keytrail.capture.inventory_file import Listing

CHECK_SECONDS: Final = 5.0
"""How often, at most, it is looked whether the file has changed."""
LISTING_SECONDS: Final = 60.0
"""How often, at most, the application is asked for its entries."""
START_SECONDS: Final = 5.0
"""How long activation waits for the first entries."""

logger = logging.getLogger("keytrail")


class Inventory:
    """The entries of a file or of the application, read again when they may have changed.

    All reading is done in a thread of its own, none in a request. What cannot be read is counted as
    a fault and told once for each change; what was read before stays in force.
    """

    def __init__(
        self,
        source: str | Path | Listing | None,
        *,
        is_raw: IsRaw = lambda *_: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entries: tuple[Entry, ...] = ()
        self._source = Path(source) if isinstance(source, str) else source
        self._is_raw = is_raw
        self._clock = clock
        self._interval = LISTING_SECONDS if callable(source) else CHECK_SECONDS
        self._next_check = float("inf")
        self._state: tuple[int, ...] | None = None
        self._known: Mapping[str, Entry] = {}
        self._told: str | None = None
        self._reader: native.Thread | None = None
        if source is not None:
            self._read_again()
            if self._reader is not None:
                self._reader.join(START_SECONDS)

    def find(self, fingerprint: str, key_id: str | None = None) -> Entry | None:
        """Return the entry of a key by its fingerprint, else by its public id."""
        entry = self._known.get(fingerprint)
        if entry is None and key_id is not None:
            entry = self._known.get(_id_index(key_id))
        return entry

    def current(self) -> tuple[Entry, ...]:
        """Return the entries in force, and have it looked now and then for others."""
        if self._clock() >= self._next_check:
            self._read_again()
        return self.entries

    def _read_again(self) -> None:
        self._next_check = self._clock() + self._interval
        if self._reader is not None and self._reader.is_alive():
            return
        self._reader = native.Thread(self._read, "keytrail-inventory")
        try:
            self._reader.start()
        except RuntimeError as error:  # no more threads: the old entries stay
            faults.report("capture.inventory", error)

    def _read(self) -> None:
        try:
            entries = self._changed()
        except InventoryError as error:
            self._complain(str(error), error)
        except Exception as error:  # noqa: BLE001 - the application's own code, in our thread
            self._complain(f"the callable raised {type(error).__qualname__}", error)
        else:
            self._told = None
            if entries is not None:
                self._put(entries)

    def _changed(self) -> tuple[Entry, ...] | None:
        """Return the entries; ``None`` where the file is as it was."""
        source = self._source
        if not isinstance(source, Path):
            return () if source is None else read_listing(source, self._is_raw)
        state = _state_of(source)
        if state == self._state and state is not None:
            return None
        self._state = state
        return read_inventory(source, self._is_raw)

    def _put(self, entries: tuple[Entry, ...]) -> None:
        if entries == self.entries:
            return
        known = {_id_index(entry.id): entry for entry in entries if entry.id}
        known |= {entry.fingerprint: entry for entry in entries if entry.fingerprint}
        self._known = known
        self.entries = entries  # last: who remembers what was found does so under these

    def _complain(self, problem: str, error: Exception) -> None:
        if problem == self._told:
            return
        self._told = problem
        logger.warning("inventory not read: %s", problem)
        faults.report("capture.inventory", error)


def _id_index(key_id: str) -> str:
    return f"id {key_id}"


def _state_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
