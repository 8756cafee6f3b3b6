"""The options that commands share, and the settings that they change."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

Format = Annotated[
    Literal["table", "json", "csv", "ndjson", "ocsf"],
    typer.Option(help="A table for people; json, csv or ndjson for programs, ocsf for a SIEM."),
]
TextFormat = Annotated[
    Literal["text", "json"], typer.Option(help="Text for people, json for programs.")
]
Home = Annotated[
    Path | None,
    typer.Option(help="Directory of the journal, instead of KEYTRAIL_HOME.", metavar="DIRECTORY"),
]


def read_settings(home: Path | None) -> Settings:
    """Return the settings of the environment; ``home`` takes the place of ``KEYTRAIL_HOME``.

    What cannot be used is named on stderr and its default kept, as a service does.
    """
    return _read(home, _complain)


def read_quietly(home: Path | None) -> Settings:
    """Return the same settings without a word on what cannot be used."""
    return _read(home, lambda _: None)


def _read(home: Path | None, complain: Callable[[str], None]) -> Settings:
    settings = Settings.from_env(os.environ, complain=complain)
    return settings if home is None else replace(settings, home=home)


def _complain(message: str) -> None:
    sys.stderr.write(f"keytrail: {message}\n")
