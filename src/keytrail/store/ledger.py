"""The store open for changes, by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.segment import now, private_directory
from keytrail.store import chain, disk, manifest
from keytrail.store.errors import StoreError, unwritable
from keytrail.store.manifest import Entry, Event, SealedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from keytrail.store.signing import Signer

LOCK: Final = "sealing.lock"
PARTIAL: Final = ".partial"


class Ledger:
    """Changes the sealed files of a home and its manifest together; use :func:`opened`."""

    def __init__(self, home: Path, signer: Signer, entries: tuple[Entry, ...]) -> None:
        self.home = home
        self._signer = signer
        self._entries = entries
        self._directory = private_directory(home, manifest.SEALED)

    @property
    def manifest(self) -> manifest.Manifest:
        """What the store consists of now."""
        return manifest.summary(self._entries)

    def draft(self, day: str) -> Path:
        """Return where to write a new sealed file of ``day``."""
        return self._directory / f"{day}-{self._next:06d}{PARTIAL}"

    @property
    def _next(self) -> int:
        return len(self._entries) + 1

    def publish(self, draft: Path) -> tuple[str, int, str]:
        """Bring a written draft onto the disk under its name; return name, bytes and SHA-256.

        Raises:
            OSError: the disk did not take it.
        """
        os.chmod(draft, 0o600)
        disk.sync(draft)
        digest = sha256_of(draft)
        tag = self._signer.sign(tag_message(self._next, digest))[:8]
        name = f"{draft.name.removesuffix(PARTIAL)}-{tag}.parquet"
        size = draft.stat().st_size
        disk.publish(draft, self._directory / name)
        return name, size, digest

    def commit(
        self,
        event: Event,
        files: Sequence[SealedFile] = (),
        replaces: Sequence[str] = (),
        **told: Any,
    ) -> None:
        """Let ``files`` take the place of what is at the paths ``replaces``, and delete that.

        From the manifest's line on the store is the new one; what is left over of the old one after
        a crash is not read.

        Raises:
            OSError: the disk did not take the line; the store is as it was.
        """
        seq, mac = self.manifest.last
        entry = Entry(
            seq=seq + 1,
            time=now(),
            event=event,
            files=tuple(files),
            replaces=tuple(replaces),
            pepper_id=self._signer.pepper_id,
            prev=mac,
            mac="",
            told=told,
        )
        signed = manifest.compose(entry)
        line = manifest.complete(signed, self._signer.sign(signed))
        disk.append(self.home / manifest.NAME, line)
        self._entries = (*self._entries, manifest.parse(line).entry)
        self.write_head()
        for path in replaces:
            (self.home / path).unlink(missing_ok=True)

    def write_head(self) -> None:
        """Note which line is the last.

        Raises:
            OSError: the disk did not take it.
        """
        if manifest.read_head(self.home) != self.manifest.last:
            disk.replace(self.home / manifest.HEAD, manifest.head_text(*self.manifest.last))

    def tidy(self) -> None:
        """Delete what a process that died left: drafts, unlisted files of its own, replaced ones.

        Raises:
            OSError: it cannot be deleted.
        """
        for path in self._directory.iterdir():
            if path.name.endswith(PARTIAL) or is_leftover(path, self._next, self._signer):
                path.unlink()
        for replaced in self.manifest.replaced:
            (self.home / replaced).unlink(missing_ok=True)


@contextmanager
def opened(home: Path, signer: Signer) -> Iterator[Ledger]:
    """Hold the store of ``home`` for changes; waits for whoever has it.

    Raises:
        StoreError: it cannot be written, or its manifest is not what was written there.
    """
    if os.geteuid() == 0 and home.exists() and (owner := home.stat().st_uid) != 0:
        raise StoreError(
            f"the store in {home} belongs to user {owner}: what root writes there, that user "
            "cannot change\nhint: run this as the user that the services run as"
        )
    try:
        private_directory(home)
        descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(home, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _checked(home, signer)
    except OSError as error:
        raise unwritable(home, error) from None
    finally:
        os.close(descriptor)


def _checked(home: Path, signer: Signer) -> Ledger:
    found = chain.read(home, signer)
    if found.problem is not None:
        raise StoreError(
            f"the store in {home} was changed by others: {found.problem}\n"
            "hint: nothing was sealed; `keytrail verify` tells the whole"
        )
    if found.unchecked:
        raise StoreError(
            f"the store in {home} has lines under pepper {', '.join(found.unchecked)}, which is "
            "not known here\nhint: nothing was sealed; set KEYTRAIL_PREVIOUS_PEPPERS"
        )
    if found.unfinished:
        path = home / manifest.NAME
        os.truncate(path, path.stat().st_size - found.unfinished)
    ledger = Ledger(home, signer, found.entries)
    if found.entries:
        ledger.write_head()
    elif any((home / manifest.SEALED).glob("*.parquet")):
        raise StoreError(
            f"{home} has sealed files but no {manifest.NAME}: it was copied in part\n"
            f"hint: nothing was changed; bring {manifest.NAME} and {manifest.HEAD} back from where "
            "the files came from"
        )
    else:
        ledger.commit("begin", store=secrets.token_hex(8))
    ledger.tidy()
    return ledger


def is_leftover(path: Path, following: int, signer: Signer) -> bool:
    """Return whether a file that no line names is of a line that was never written.

    ``following`` is that line's number. Only who holds a pepper could give it its name.
    """
    _, _, rest = path.name.removesuffix(".parquet").rpartition("-")
    number = path.name.removesuffix(f"-{rest}.parquet").rpartition("-")[2]
    if not number.isdecimal() or int(number) != following:
        return False
    return rest in signer.tags(tag_message(following, sha256_of(path)))


def tag_message(seq: int, digest: str) -> bytes:
    """Return what the last part of a sealed file's name signs."""
    return f"{seq}:{digest}".encode("ascii")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 hex digits.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1024 * 1024):
            digest.update(part)
    return digest.hexdigest()
