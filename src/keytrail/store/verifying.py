"""Whether the sealed files are what was sealed: none edited, removed, cut, swapped or added."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.journal.segment import segments
from keytrail.store import chain, manifest
from keytrail.store.errors import StoreError
from keytrail.store.ledger import LOCK, PARTIAL, is_leftover, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytrail.store.manifest import Entry, Manifest, SealedFile
    from keytrail.store.signing import Signer


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was sealed. Times are Unix nanoseconds."""

    what: str
    path: str | None = None
    """The sealed file, in the home; ``None`` where it is the manifest."""
    sealed: int | None = None
    """When the file was sealed, or when the last line that still holds was written."""
    changed: int | None = None
    """When the file on the disk was changed last, as far as the file system tells."""
    first: int | None = None
    """The oldest use that it holds, or held."""
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at everything found."""

    problems: tuple[Problem, ...]
    head: str
    """Number and code of the manifest's last line, to be noted elsewhere: ``17:3fa9…``."""
    files: int
    uses: int
    live: int
    """Segments, which nothing protects before they are sealed."""
    unfinished: tuple[str, ...]
    """Paths that a sealing left that was cut short; the next one removes them."""


def verify(home: Path, signer: Signer, head: str | None = None) -> Verified:
    """Check the manifest of ``home`` and every sealed file; ``head`` is one that was noted.

    Raises:
        StoreError: they cannot be read, a newer version wrote them, or ``head`` is none.
    """
    noted = None if head is None else _read_noted(head)
    try:
        with _held(home) as alone:
            found = _verify(home, signer, noted)
        if alone or not (home / LOCK).exists():
            return found
        with _held(home):  # the first sealing began meanwhile
            return _verify(home, signer, noted)
    except OSError as error:
        raise StoreError(
            f"the store in {home} cannot be read: {error.filename or home}: {error.strerror}\n"
            "hint: run keytrail as the user that the services run as"
        ) from None


def _read_noted(head: str) -> tuple[int, str]:
    noted = manifest.parse_head(head.strip())
    if noted is None:
        raise StoreError(
            "--head: this is no head\nhint: give what `keytrail verify` printed, such as 17:3fa9…"
        )
    return noted


@contextmanager
def _held(home: Path) -> Iterator[bool]:
    """Keep others from sealing meanwhile; false where there is no lock to hold."""
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield True
    finally:
        os.close(descriptor)


def _verify(home: Path, signer: Signer, noted: tuple[int, str] | None) -> Verified:
    found = chain.read(home, signer)
    told = manifest.summary(found.entries)
    on_disk = {
        f"{manifest.SEALED}/{path.name}": path
        for path in sorted((home / manifest.SEALED).glob("*"))
    }
    left = _left_over(on_disk, told, signer)
    problems = [
        *_of_manifest(found, told),
        *_of_head(told, noted),
        *(problem for entry in told.entries for problem in _of_files(home, entry, told)),
        *_added(on_disk, told, left, whole=found.problem is None),
    ]
    seq, mac = told.last
    return Verified(
        problems=tuple(problems),
        head=f"{seq}:{mac}" if seq else "",
        files=len(told.files),
        uses=sum(file.uses for file in told.files),
        live=len(segments(home)),
        unfinished=tuple(left),
    )


def _left_over(on_disk: dict[str, Path], told: Manifest, signer: Signer) -> list[str]:
    following = len(told.entries) + 1
    return [
        name
        for name, path in on_disk.items()
        if name in told.replaced
        or path.name.endswith(PARTIAL)
        or (following > 1 and path.is_file() and is_leftover(path, following, signer))
    ]


def _of_manifest(found: chain.Chain, told: Manifest) -> Iterator[Problem]:
    last = told.entries[-1].time if told.entries else None
    if found.problem is not None:
        yield Problem(f"{found.problem}; what was sealed since cannot be checked", sealed=last)
    for pepper in found.unchecked:
        yield Problem(
            f"{manifest.NAME} has lines under pepper {pepper}, which is not known here: "
            "set KEYTRAIL_PREVIOUS_PEPPERS"
        )


def _of_head(told: Manifest, noted: tuple[int, str] | None) -> Iterator[Problem]:
    if noted is None:
        return
    seq, mac = noted
    if seq > len(told.entries):
        yield Problem(
            f"the noted head is of line {seq}, {manifest.NAME} ends at line {len(told.entries)}: "
            "lines were cut off"
        )
    elif seq < 1 or told.entries[seq - 1].mac != mac:
        yield Problem(f"line {seq} is not the one of the noted head: {manifest.NAME} was rewritten")


def _of_files(home: Path, entry: Entry, told: Manifest) -> Iterator[Problem]:
    for file in entry.files:
        if file.path not in told.replaced and (what := _wrong(home / file.path, file)) is not None:
            yield Problem(
                what, file.path, entry.time, _changed(home / file.path), file.first, file.last
            )


def _wrong(path: Path, file: SealedFile) -> str | None:
    try:
        size = path.stat().st_size
        if size < file.bytes:
            return f"cut to {size:,} of {file.bytes:,} bytes"
        return None if sha256_of(path) == file.sha256 else "changed"
    except FileNotFoundError:
        return "missing"
    except IsADirectoryError:
        return "changed"


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _added(
    on_disk: dict[str, Path], told: Manifest, left: list[str], *, whole: bool
) -> Iterator[Problem]:
    listed = {file.path for file in told.files}
    what = "added" if whole else f"in none of the lines of {manifest.NAME} that can be checked"
    for name, path in on_disk.items():
        if name not in listed and name not in left:
            yield Problem(what, name, changed=_changed(path))
