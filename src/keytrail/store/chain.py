"""Whether the lines of a manifest are the ones that were written, all of them, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.store import manifest
from keytrail.store.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from keytrail.store.manifest import Entry, Line
    from keytrail.store.signing import Signer


@dataclass(frozen=True, slots=True)
class Chain:
    """What a look at the whole manifest found."""

    entries: tuple[Entry, ...]
    """The lines before the first that is wrong."""
    problem: str | None
    """What is wrong, and with which line."""
    unchecked: tuple[str, ...]
    """Ids of the peppers under which lines were signed and that are not known here."""
    unfinished: int
    """Bytes at the end that a writer that died left of a line."""


def read(home: Path, signer: Signer) -> Chain:
    """Return what the manifest of ``home`` holds, checked.

    Raises:
        OSError: it cannot be read.
        StoreError: a newer version wrote it.
    """
    try:
        texts = (home / manifest.NAME).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        texts = []
    unfinished = texts.pop() if texts and not texts[-1].endswith(b"\n") else b""
    chain = _follow(home, texts, signer)
    problem = chain.problem or _of_head(home, chain.entries)
    return Chain(chain.entries, problem, chain.unchecked, len(unfinished))


def _follow(home: Path, texts: list[bytes], signer: Signer) -> Chain:
    entries: list[Entry] = []
    unchecked = dict[str, None]()
    before = manifest.START
    problem = None
    for number, text in enumerate(texts, 1):
        line = _parsed(home, number, text)
        problem = _wrong(line, number, before, signer)
        if problem is not None or line is None:
            break
        if not signer.knows(line.entry.pepper_id):
            unchecked[line.entry.pepper_id] = None
        entries.append(line.entry)
        before = line.entry.mac
    return Chain(tuple(entries), problem, tuple(unchecked), 0)


def _parsed(home: Path, number: int, text: bytes) -> Line | None:
    try:
        return manifest.parse(text)
    except manifest.NewerError as error:
        raise StoreError(
            f"{home / manifest.NAME}: line {number} has version {error.version}, this keytrail "
            f"reads {manifest.VERSION}\nhint: upgrade keytrail here to the version that seals"
        ) from None
    except ValueError:
        return None


def _wrong(line: Line | None, number: int, before: str, signer: Signer) -> str | None:
    where = f"{manifest.NAME}: line {number}"
    if line is None:
        return f"{where} is broken"
    entry = line.entry
    if entry.seq != number or entry.prev != before:
        return f"{where} does not follow the line before it: lines were removed, added or moved"
    if signer.knows(entry.pepper_id) and not signer.is_signed(
        line.signed, entry.mac, entry.pepper_id
    ):
        return f"{where} was changed"
    return None


def _of_head(home: Path, entries: tuple[Entry, ...]) -> str | None:
    """The head is written after the line: a writer that died may have left it one behind."""
    head = manifest.read_head(home)
    lasts = [(entry.seq, entry.mac) for entry in entries[-2:]]
    if head is None:
        return f"{manifest.HEAD} is missing" if len(entries) > 1 else None
    if head in lasts:
        return None
    if head[0] > len(entries):
        return (
            f"{manifest.NAME} ends at line {len(entries)}, {manifest.HEAD} is that of line "
            f"{head[0]}: lines were cut off"
        )
    return f"{manifest.HEAD} was changed"
