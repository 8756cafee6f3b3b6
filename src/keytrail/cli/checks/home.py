"""Whether the journal can be written, for how long, and whether it lasts."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from keytrail.cli.checks.check import Check
from keytrail.cli.checks.storage import existing, fleeting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.settings import Settings

_MIB: Final = 1024 * 1024
_RESERVE: Final = 10
"""The part of the disk, one in so many, that the journal leaves alone."""


def checks(settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the home directory, its storage and its bounds."""
    yield _home(settings)
    yield _space(settings)
    yield _storage(settings)
    yield from _books(settings)


def _home(settings: Settings) -> Check:
    home, place = settings.home, existing(settings.home)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(
            "home",
            "fail",
            f"{place} cannot be written by this user: uses are dropped",
            "make it writable, or set KEYTRAIL_HOME",
        )
    if place != home.absolute():
        return Check("home", "ok", f"{home} will be created")
    if home.stat().st_mode & 0o077:
        return Check("home", "warn", f"{home} may be read by other users", f"chmod 700 {home}")
    return Check("home", "ok", f"{home} can be written, by this user alone")


def _space(settings: Settings) -> Check:
    disk = shutil.disk_usage(existing(settings.home))
    room = disk.free - disk.total // _RESERVE
    bound = f"{settings.journal_bytes // _MIB:,} MiB and {settings.journal_days} days"
    if room <= 0:
        return Check(
            "space",
            "fail",
            "the last tenth of the disk is reached, which keytrail leaves alone: uses are dropped",
            "free disk space, or set KEYTRAIL_HOME to another disk",
        )
    if room < settings.journal_bytes:
        return Check(
            "space",
            "warn",
            f"room for {room // _MIB:,} MiB, less than the journal's bound of {bound}",
            "free disk space, or lower KEYTRAIL_JOURNAL_BYTES",
        )
    return Check("space", "ok", f"the journal keeps up to {bound}")


def _storage(settings: Settings) -> Check:
    if (where := fleeting(settings.home)) is not None:
        return Check(
            "storage",
            "warn",
            f"{settings.home} lies {where}",
            "set KEYTRAIL_HOME to a directory on a volume, or KEYTRAIL_OTLP_ENDPOINT",
        )
    return Check("storage", "ok", "the home directory outlasts a restart")


def _books(settings: Settings) -> Iterator[Check]:
    """Check that every use the files tell of is accounted for."""
    from keytrail.journal.proof import prove

    try:
        proof = prove(settings.home)
    except OSError:
        return  # told already, by what cannot be read
    if not proof.seen:
        return
    dropped = ", ".join(f"{uses:,} {reason}" for reason, uses in sorted(proof.dropped.items()))
    says = (
        f"{proof.seen:,} uses seen: {proof.kept:,} kept, {proof.delivered:,} delivered, "
        f"{proof.waiting:,} waiting, {proof.dropped.total():,} dropped"
        + (f" ({dropped})" if dropped else "")
    )
    if proof.missing > 0:
        hint = "somebody took lines out of the journal: compare with a copy"
        yield Check("books", "fail", f"{says}, {proof.missing:,} missing", hint)
    elif proof.dropped:
        yield Check("books", "warn", says, "the reasons and what to do: docs/running.md")
    else:
        yield Check("books", "ok", says)
