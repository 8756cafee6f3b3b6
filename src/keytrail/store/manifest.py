"""The manifest: one line for everything that was done to the sealed files of a home.

``manifest.ndjson`` holds JSON objects, one a line, in order: ``seq`` (from 1), ``version``,
``time``, ``event``, ``files`` (what the store has since), ``replaces`` (what it no longer has:
segments and sealed files, by their path in the home), what else the event tells, ``pepper_id``,
``prev`` (the ``mac`` of the line before) and ``mac``, the code of all that stands before it.
``manifest.head`` repeats the last line's ``seq`` and ``mac``, so that a cut is seen.

==========  =======================================================================================
event       also says
==========  =======================================================================================
``begin``   ``store``, a random name; always the first line
``seal``    nothing else: segments, and small sealed files, became ``files``
``import``  ``read``: what was counted
``drop``    ``reason`` (``days`` or ``bytes``), ``uses``, ``first``, ``last``
``erase``   ``what`` (``client`` or ``key``), ``uses``, ``first``, ``last``, ``note``
==========  =======================================================================================
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from keytrail.journal.line import to_line
from keytrail.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Event = Literal["begin", "seal", "import", "drop", "erase"]

NAME: Final = "manifest.ndjson"
HEAD: Final = "manifest.head"
SEALED: Final = "sealed"
VERSION: Final = 1
START: Final = ""
"""What stands for the code of the line before the first."""
_MAC: Final = b',"mac":"'


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A Parquet file under ``sealed/``, as it was written. Times in Unix nanoseconds."""

    name: str
    bytes: int
    sha256: str
    uses: int
    first: int
    """Of the oldest row, the audit's own records included."""
    last: int
    peppers: tuple[str, ...]
    gaps: int
    """Records of uses that were lost."""
    bad: int
    """Whole lines of its segments that were no record; they are kept in ``refused/``."""
    torn: int
    """Segments whose last line was cut short."""

    @property
    def path(self) -> str:
        """Its path in the home."""
        return f"{SEALED}/{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    seq: int
    time: int
    event: Event
    files: tuple[SealedFile, ...]
    replaces: tuple[str, ...]
    pepper_id: str
    prev: str
    mac: str
    told: Mapping[str, Any] = field(default_factory=dict)
    """What else the event says."""


@dataclass(frozen=True, slots=True)
class Line:
    """The text of one line, and the part of it that its code covers."""

    entry: Entry
    signed: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a home's manifest says."""

    entries: tuple[Entry, ...] = ()
    files: tuple[SealedFile, ...] = ()
    """What the store consists of now, the oldest first."""
    replaced: frozenset[str] = frozenset()
    """What it no longer consists of: paths in the home, which a crash may have left there."""
    is_cut: bool = False
    """Lines are missing at its end, or all of them: there may be sealed files that none lists."""

    @property
    def last(self) -> tuple[int, str]:
        """Number and code of the last line; zero and nothing before the first."""
        return (self.entries[-1].seq, self.entries[-1].mac) if self.entries else (0, START)


def read(home: Path) -> Manifest:
    """Return the manifest of ``home`` without a check of its codes; an empty one without a file.

    A last line without an end was not written whole, and does not count.

    Raises:
        StoreError: it cannot be read, a line is broken, or a newer version wrote it.
    """
    path = home / NAME
    try:
        head = read_head(home)  # it is written after the line, so that it is no later than that
        told = summary(_entries(path))
        if told.entries:
            return replace(told, is_cut=head is not None and head[0] > len(told.entries))
        return replace(told, is_cut=head is not None or any((home / SEALED).glob("*.parquet")))
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}\n"
            "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME"
        ) from None


def _entries(path: Path) -> Iterator[Entry]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if text.endswith(b"\n"):
                yield _entry(path, number, text)


def _entry(path: Path, number: int, text: bytes) -> Entry:
    try:
        return parse(text).entry
    except NewerError as error:
        raise StoreError(
            f"{path}: line {number} has version {error.version}, this keytrail reads {VERSION}\n"
            "hint: upgrade keytrail here to the version that seals"
        ) from None
    except ValueError:
        raise StoreError(
            f"{path}: line {number} is broken\nhint: `keytrail verify` tells what is wrong; "
            "restore the file from a backup"
        ) from None


def summary(entries: Iterable[Entry]) -> Manifest:
    """Return what is left when all that ``entries`` tell has been done."""
    told = tuple(entries)
    replaced = frozenset(path for entry in told for path in entry.replaces)
    files = [file for entry in told for file in entry.files if file.path not in replaced]
    return Manifest(told, tuple(sorted(files, key=lambda file: file.first)), replaced)


class NewerError(ValueError):
    """A line of a version that is not known here."""

    def __init__(self, version: object) -> None:
        super().__init__(version)
        self.version = version


def parse(text: bytes) -> Line:
    """Return what a whole line says.

    Raises:
        NewerError: a newer version wrote it.
        ValueError: it is not exactly what :func:`compose` writes.
    """
    before, between, after = text.rpartition(_MAC)
    if not between or not after.endswith(b'"}\n'):
        raise ValueError("no code at the end of the line")
    signed = before + b"}"
    content = json.loads(signed)
    if not isinstance(content, dict) or "version" not in content:
        raise ValueError("no version")
    if content["version"] != VERSION:
        raise NewerError(content["version"])
    return Line(_read_entry(content, after[:-3].decode("ascii")), signed)


def _read_entry(content: dict[str, Any], mac: str) -> Entry:
    del content["version"]
    try:
        fixed = {name: content.pop(name) for name in ("seq", "time", "event", "pepper_id", "prev")}
        entry = Entry(
            **fixed,
            files=tuple(map(_read_file, content.pop("files"))),
            replaces=tuple(content.pop("replaces")),
            mac=mac,
            told=content,
        )
        if not isinstance(entry.pepper_id, str) or not all(map(_PLACE.fullmatch, _places(entry))):
            raise ValueError("not what is written here")
        return entry
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def _read_file(content: dict[str, Any]) -> SealedFile:
    return SealedFile(**{**content, "peppers": tuple(content["peppers"])})


def _places(entry: Entry) -> Iterator[str]:
    yield from entry.replaces
    for file in entry.files:
        yield file.path


_PLACE: Final = re.compile(r"live/(?!\.{1,2}/)[^/\0]+/[^/\0]+\.ndjson|sealed/[^/\0]+\.parquet")
"""What a line may have read or deleted."""


def compose(entry: Entry) -> bytes:
    """Return the part of the line of ``entry`` that its code covers."""
    content = {
        "seq": entry.seq,
        "version": VERSION,
        "time": entry.time,
        "event": entry.event,
        "files": [asdict(file) for file in entry.files],
        "replaces": entry.replaces,
        **entry.told,
        "pepper_id": entry.pepper_id,
        "prev": entry.prev,
    }
    return to_line(content)[:-1]


def complete(signed: bytes, mac: str) -> bytes:
    """Return the whole line."""
    return signed[:-1] + _MAC + mac.encode("ascii") + b'"}\n'


def read_head(home: Path) -> tuple[int, str] | None:
    """Return number and code of the last line as ``manifest.head`` has it; ``None`` without it.

    What cannot be a head gives a number that no line has.
    """
    try:
        text = (home / HEAD).read_bytes()
    except FileNotFoundError:
        return None
    found = parse_head(text.decode("latin-1").removesuffix("\n"))
    return found if found is not None and text == head_text(*found) else (-1, START)


def head_text(seq: int, mac: str) -> bytes:
    """Return the content of ``manifest.head``."""
    return f"{seq}:{mac}\n".encode("ascii")


def parse_head(text: str) -> tuple[int, str] | None:
    """Return the number and the code of a head as it is shown: ``17:3fa9…``."""
    seq, _, mac = text.partition(":")
    if not (text.isascii() and seq.isdecimal() and len(mac) == 64):
        return None
    return int(seq), mac
