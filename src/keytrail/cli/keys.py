"""A key that a person types or pipes in; never an argument, which others could see."""

from __future__ import annotations

import codecs
import contextlib
import getpass
import sys
from typing import TYPE_CHECKING, Final

from keytrail.cli.errors import CommandError

if TYPE_CHECKING:
    from typer import Context

    from keytrail.settings import Settings

_MOST_BYTES: Final = 1024 * 1024
_ALONE: Final = "hint: pipe in the key alone"


def refuse_arguments(context: Context) -> None:
    """See to it that no key was given as an argument.

    Raises:
        CommandError: there is an argument.
    """
    if context.args:
        raise CommandError(
            "a key is not taken as an argument: other users and the shell's history would see it\n"
            f"hint: run `keytrail {context.info_name}` and type it, or pipe it in",
            2,
        )


def read_fingerprints(settings: Settings) -> tuple[str, ...]:
    """Read a key and return its fingerprints, under the pepper in force first.

    Raises:
        CommandError: there is no key, or there is no pepper to compare with.
    """
    from keytrail.capture.pepper import load_peppers

    loaded = load_peppers(settings)
    if loaded.origin == "process":
        raise CommandError(
            "no pepper is set and none can be kept: no key can be found by its fingerprint"
            "\nhint: set KEYTRAIL_PEPPER to what the services have"
        )
    return tuple(loaded.peppers.all(read_key()))


def read_key() -> bytes:
    """Read a key from stdin, or from a prompt that does not echo.

    What editors and shells put around it is not part of it: blanks, newlines, a byte order mark.

    Raises:
        CommandError: it is empty, too long, or more than one.
    """
    if sys.stdin.isatty():
        return _alone(getpass.getpass("key: ").encode("utf-8", "surrogateescape"))
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise CommandError(f"what came from stdin is too long for a key\n{_ALONE}")
    return _alone(_without_mark(content))


def _without_mark(content: bytes) -> bytes:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode("utf-16").encode("utf-8", "surrogateescape")
    return content.removeprefix(codecs.BOM_UTF8)


def _alone(content: bytes) -> bytes:
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if not lines:
        raise CommandError("an empty key has no fingerprint\nhint: type the key, or pipe it in")
    if len(lines) > 1:
        raise CommandError(f"{len(lines):,} lines came from stdin, and a key is one\n{_ALONE}")
    return lines[0]
