"""The options that commands share, and the settings that they change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from keytrail.settings import Settings

Format = Annotated[
    Literal["table", "json", "csv", "ndjson"],
    typer.Option(help="A table for people; json, csv or ndjson for programs."),
]
TextFormat = Annotated[
    Literal["text", "json"], typer.Option(help="Text for people, json for programs.")
]
Home = Annotated[
    Path | None,
    typer.Option(help="Directory of the journal.  [env: KEYTRAIL_HOME]", metavar="DIRECTORY"),
]


def read_settings(home: Path | None) -> Settings:
    """Return the settings of the environment; ``home`` takes the place of ``KEYTRAIL_HOME``.

    What cannot be used is named on stderr and its default kept, as a service does.
    """
    settings = Settings.from_env(os.environ, complain=_complain)
    if home is None:
        return settings
    return Settings.from_env(os.environ, complain=lambda _: None, home=home)


def _complain(message: str) -> None:
    sys.stderr.write(f"keytrail: {message}\n")
