"""A key that a person types or pipes in; never an argument, which others could see."""

from __future__ import annotations

import base64
import codecs
import contextlib
import getpass
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from keytrail.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer import Context

    from keytrail.settings import Settings

_MOST_BYTES: Final = 1024 * 1024
_MOST_LAYERS: Final = 4
_LAYERS: Final = (
    re.compile(rb"""(?P<quote>["'`])(?P<key>(?:(?!(?P=quote)).)+)(?P=quote)[,;]?"""),
    re.compile(rb"(?i:bearer|token|apikey|api-key)\s+(?P<key>\S.*)"),
    re.compile(rb"""(?:export\s+)?["']?[A-Za-z][\w-]*["']?\s*[:=]\s*(?P<key>\S.*)"""),
)
_WORD: Final = re.compile(rb"""[^\s"'`<>(){}\[\],;]+""")
_PAIRS: Final = re.compile(rb"[?&#]")
_LEAST_INSIDE: Final = 8
_MOST_INSIDE: Final = 32
"""So many parts of a text are tried, of so many bytes at least."""
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

    What it was copied with may be its own or not, so what may be the key in it is meant as well:
    without quotes, ``Bearer``, the name of a header or of a variable; in a URL, a command, JSON.

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
    meant = dict.fromkeys(_meant(read_key()))
    return tuple(dict.fromkeys(one for key in meant for one in loaded.peppers.all(key)))


def _meant(text: bytes) -> Iterator[bytes]:
    yield from _unwrapped(text)
    words = _WORD.findall(text)
    inside = (key for word in words for key in (*_unwrapped(word), *_of_url(word), *_basic(word)))
    yield from islice((key for key in inside if len(key) >= _LEAST_INSIDE), _MOST_INSIDE)


def _of_url(word: bytes) -> Iterator[bytes]:
    """Yield the values in a query or a fragment, and the user and password of a URL."""
    for pair in _PAIRS.split(word):
        yield unquote_to_bytes(pair.partition(b"=")[2])
    user, _, password = word.partition(b"://")[2].partition(b"@")[0].partition(b":")
    yield from (unquote_to_bytes(password), unquote_to_bytes(user))


def _basic(word: bytes) -> Iterator[bytes]:
    """Yield the password and the user of what may be the credentials of HTTP Basic."""
    with contextlib.suppress(ValueError):
        user, colon, password = base64.b64decode(word, validate=True).partition(b":")
        yield from (password, user) if colon else ()


def _unwrapped(key: bytes) -> Iterator[bytes]:
    """Yield the key as it is, then with one layer after the other taken off."""
    yield key
    for _ in range(_MOST_LAYERS):
        found = next((match for layer in _LAYERS if (match := layer.fullmatch(key))), None)
        if found is None:
            return
        key = found["key"]
        yield key


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
