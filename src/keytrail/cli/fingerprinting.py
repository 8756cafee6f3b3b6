"""``keytrail fingerprint``: from a key in hand to the name under which its uses are recorded."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from keytrail.cli.keys import read_key, refuse_arguments
from keytrail.cli.options import Home, TextFormat, read_settings

if TYPE_CHECKING:
    from keytrail.capture.pepper import LoadedPeppers

Digests = Annotated[
    bool,
    typer.Option(
        "--digests",
        help="Also the plain SHA-256 that LiteLLM (hex) and GitHub's audit log (base64) show; "
        "whoever sees one can test guesses.",
    ),
]


def fingerprint(
    context: typer.Context,
    digests: Digests = False,
    format: TextFormat = "text",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Print the fingerprint of a key, read from stdin or from a prompt that does not echo."""
    from keytrail.capture.pepper import load_peppers

    refuse_arguments(context)
    loaded = load_peppers(read_settings(home))
    key = read_key()
    found = _describe(loaded, key) | (_digests(key) if digests else {})
    _warn(loaded)
    if format == "json":
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(_as_text(found))


def _describe(loaded: LoadedPeppers, key: bytes) -> dict[str, str | list[str]]:
    current, *previous = loaded.peppers.all(key)
    return {"fingerprint": current, "pepper_id": loaded.peppers.id, "previous": previous}


def _digests(key: bytes) -> dict[str, str | list[str]]:
    digest = hashlib.sha256(key).digest()
    return {"sha256": digest.hex(), "sha256_base64": base64.b64encode(digest).decode("ascii")}


def _as_text(found: dict[str, str | list[str]]) -> str:
    return "".join(
        f"{name:<14} {text}\n"
        for name, value in found.items()
        for text in ([value] if isinstance(value, str) else value)
    )


def _warn(loaded: LoadedPeppers) -> None:
    if loaded.problem is not None:
        sys.stderr.write(f"keytrail: {loaded.problem}\n")
    if loaded.origin == "process":
        sys.stderr.write(
            "keytrail: no pepper is set and none can be kept: this fingerprint is of no use later\n"
            "hint: set KEYTRAIL_PEPPER to what the services have\n"
        )
    elif loaded.origin == "generated":
        sys.stderr.write(
            f"keytrail: under the pepper of this installation, {loaded.path}\n"
            "hint: set KEYTRAIL_PEPPER where services have another\n"
        )
