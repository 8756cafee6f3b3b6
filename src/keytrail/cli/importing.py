"""The command that brings uses into the store: ``import``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.store.importing import Imported

Files = Annotated[
    list[Path],
    typer.Argument(help="Files of OTLP/JSON lines.", metavar="FILE...", show_default=False),
]


def import_(files: Files, home: Home = None) -> None:
    """Bring in uses that OpenTelemetry's file exporter, or the Collector's, wrote as OTLP/JSON.

    A use that is there already stays once, so that a file may be imported again. What is no use
    is counted and told.
    """
    from keytrail.cli.signing import signer
    from keytrail.store.errors import StoreError
    from keytrail.store.importing import import_files

    settings = read_settings(home)
    try:
        done = import_files(settings.home, signer(settings), files)
    except StoreError as error:
        raise CommandError(str(error)) from None
    sys.stdout.write(f"{done.uses:,} new uses of {done.spans:,} spans\n")
    for message in _told(done):
        sys.stderr.write(f"keytrail: {message}\n")
    if done.bad:
        raise typer.Exit(1)


def _told(done: Imported) -> Iterator[str]:
    if done.duplicates:
        yield f"{done.duplicates:,} uses were there already, or are in the files twice"
    if done.foreign:
        yield f"{done.foreign:,} spans have no keytrail attributes, and tell of no key"
    if done.raw:
        yield (
            f"{done.raw:,} attributes had something else than a fingerprint in its place and were "
            "left out: see to the services that they come from"
        )
    if done.torn:
        yield f"{done.torn:,} files end in half a line: their writer died, or still writes"
    if done.bad:
        yield f"{done.bad:,} lines or spans are no OTLP/JSON of spans and were passed over"
