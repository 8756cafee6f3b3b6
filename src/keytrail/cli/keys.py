"""A key that a person types or pipes in; never an argument, which others could see."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Final

from keytrail.cli.errors import CommandError

if TYPE_CHECKING:
    from typer import Context

    from keytrail.settings import Settings

_MOST_BYTES: Final = 1024 * 1024


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

    Raises:
        CommandError: it is empty, or too long.
    """
    if sys.stdin.isatty():
        return _checked(getpass.getpass("key: ").encode("utf-8", "surrogateescape"))
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise CommandError(
            "what came from stdin is too long for a key\nhint: pipe in the key alone"
        )
    return _checked(_without_newline(content))


def _without_newline(content: bytes) -> bytes:
    if content.endswith(b"\r\n"):
        return content[:-2]
    return content.removesuffix(b"\n")


def _checked(key: bytes) -> bytes:
    if not key:
        raise CommandError("an empty key has no fingerprint\nhint: type the key, or pipe it in")
    return key
