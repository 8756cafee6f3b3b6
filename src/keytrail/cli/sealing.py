"""The commands that keep the store: ``seal`` and ``verify``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, TextFormat, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from keytrail.settings import Settings
    from keytrail.store.verifying import Problem, Verified

Head = Annotated[
    str | None,
    typer.Option(
        help="A head that was noted before: what was sealed until then must still be there.",
        metavar="HEAD",
    ),
]
_NOT_COVERED: Final = (
    "not covered: what is not sealed yet{live}; who holds the pepper can write a whole new store, "
    "which only a head noted elsewhere shows"
)


def seal(home: Home = None) -> None:
    """Seal what services have written: closed segments become Parquet, old days are dropped.

    Segments that are being written, or wait for delivery, stay. Run it from a timer.
    """
    from keytrail.cli.signing import signer
    from keytrail.store.errors import StoreError
    from keytrail.store.retention import retain
    from keytrail.store.sealing import seal as seal_segments

    settings = read_settings(home)
    try:
        key = signer(settings)
        done = seal_segments(settings.home, key)
        dropped = retain(settings.home, key, settings.store_days, settings.store_bytes)
    except StoreError as error:
        raise CommandError(str(error)) from None
    sys.stdout.write(f"sealed {done.uses:,} uses of {done.segments:,} segments\n")
    if dropped:
        sys.stdout.write(f"dropped {dropped:,} uses of days that the store no longer keeps\n")


def seal_where_worthwhile(settings: Settings) -> None:
    """Seal before a question where that makes this answer or the next ones quick.

    What keeps it from sealing is told and does not keep the question from its answer.
    """
    from keytrail.store.sealable import is_worthwhile

    if not is_worthwhile(settings.home):
        return
    from keytrail.cli.signing import signer
    from keytrail.store.errors import StoreError
    from keytrail.store.sealing import seal as seal_segments

    sys.stderr.write("keytrail: sealing what services have written …\n")
    try:
        seal_segments(settings.home, signer(settings))
    except StoreError as error:
        sys.stderr.write(f"keytrail: {error}\n")


def verify(
    head: Head = None,
    format: TextFormat = "text",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Check that no sealed file was edited, removed, cut, swapped or added; exit 1 if one was.

    Prints the head of the manifest: note it elsewhere, and give it with --head later.
    """
    from keytrail.cli.signing import signer
    from keytrail.store.errors import StoreError
    from keytrail.store.homes import homes_in
    from keytrail.store.verifying import verify as verify_store

    settings = read_settings(home)
    try:
        key = signer(settings)
        homes = homes_in(settings.home)
        if head is not None and len(homes) > 1:
            raise CommandError(
                f"a head is of one home, and {settings.home} holds several\nhint: name it: --home",
                2,
            )
        found = {one: verify_store(one, key, head) for one in homes}
    except StoreError as error:
        raise CommandError(str(error)) from None
    if format == "json":
        told = {str(one): asdict(verified) for one, verified in found.items()}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        for one, verified in found.items():
            _print(one, verified)
    if any(verified.problems for verified in found.values()):
        raise typer.Exit(1)


def _print(home: Path, found: Verified) -> None:
    from keytrail.report.text import plain

    lines = [plain(line) for problem in found.problems for line in _told(problem)]
    if not found.problems:
        lines.append(f"{home}: {found.files:,} sealed files with {found.uses:,} uses are whole")
    lines += [f"unfinished, and removed by the next sealing: {plain(p)}" for p in found.unfinished]
    if found.head:
        lines.append(f"head: {found.head}")
    live = f" ({found.live:,} segments)" if found.live else ""
    lines.append(_NOT_COVERED.format(live=live))
    sys.stdout.write("\n".join(lines) + "\n")


def _told(problem: Problem) -> list[str]:
    from keytrail.store.moments import seconds

    def when(moment: int | None) -> str:
        return "unknown" if moment is None else f"{seconds(moment)} UTC"

    if problem.path is None:
        since = (
            "" if problem.sealed is None else f" (the last good line is of {when(problem.sealed)})"
        )
        return [f"{problem.what}{since}"]
    lines = [f"{problem.path}: {problem.what}"]
    if problem.sealed is not None:
        lines.append(f"  sealed {when(problem.sealed)}")
    if problem.changed is not None:
        lines.append(f"  changed on disk {when(problem.changed)}")
    if problem.first is not None:
        lines.append(f"  with uses from {when(problem.first)} to {when(problem.last)}")
    return lines
