"""``keytrail erase``: one client address or one key out of the record."""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, read_settings
from keytrail.semconv import FINGERPRINT

if TYPE_CHECKING:
    from keytrail.store.erasing import Erased, Target


Client = Annotated[
    str | None, typer.Option(help="Client address or network (192.0.2.7).", metavar="ADDRESS")
]
Key = Annotated[
    str | None,
    typer.Option(help="Whole fingerprint of a key, 64 hex digits.", metavar="FINGERPRINT"),
]
Note = Annotated[str, typer.Option(help="Why, for the manifest; it stays there.", metavar="TEXT")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only counted.")]


def erase(
    client: Client = None, key: Key = None, note: Note = "", yes: Yes = False, home: Home = None
) -> None:
    """Take one client address, or one key, out of the record; the manifest notes that it was done.

    A client's address becomes REDACTED and its uses stay. The uses of a key go. Closed segments
    are sealed first; those that are being written or wait for delivery are named, and exit is 1.
    """
    from keytrail.cli.signing import signer
    from keytrail.store.erasing import erase as erase_target
    from keytrail.store.errors import StoreError

    target = _target(client, key)
    settings = read_settings(home)
    try:
        found = erase_target(settings.home, signer(settings), target, note, only_count=not yes)
    except StoreError as error:
        raise CommandError(str(error)) from None
    _tell(found, done=yes)
    if yes and found.left:
        raise typer.Exit(1)


def _target(client: str | None, key: str | None) -> Target:
    from keytrail.store.erasing import Target

    if (client is None) == (key is None):
        raise CommandError("one of them is erased\nhint: give --client or --key", 2)
    if client is not None:
        try:
            return Target("client", network=ipaddress.ip_network(client, strict=False))
        except ValueError:
            raise CommandError(
                "--client: this cannot be read\nhint: give an address such as 192.0.2.7", 2
            ) from None
    if key is None or not FINGERPRINT.fullmatch(key):
        raise CommandError(
            "--key: this is no whole fingerprint\n"
            "hint: `keytrail fingerprint` reads a key and prints its fingerprint",
            2,
        )
    return Target("key", fingerprint=key)


def _tell(found: Erased, *, done: bool) -> None:
    from keytrail.report.text import plain

    verb = "erased from" if done else "to be erased from"
    sys.stdout.write(f"{verb} {found.uses:,} uses in {found.files:,} sealed files\n")
    for path in found.left:
        sys.stdout.write(f"still in {plain(path)}\n")
    if found.left:
        sys.stderr.write(
            "keytrail: segments that are being written, or wait for delivery, are not changed\n"
            "hint: erase again when their services have ended or begun new ones (at midnight UTC, "
            "or at 64 MiB), and erase where uses are delivered to\n"
        )
    if not done:
        sys.stderr.write("hint: nothing was changed; give --yes to do it\n")
