"""``keytrail redact``: a log that somebody is about to paste into a ticket, without its keys."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.stream import RedactedStream

_BLOCK: Final = 64 * 1024
_STDIN: Final = Path("-")
_PACKED: Final = {
    b"\x1f\x8b": "gzip -dc",
    b"BZh": "bzip2 -dc",
    b"\xfd7zXZ": "xz -dc",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"PK\x03\x04": "unzip -p",
}
"""How a compressed file begins → what unpacks it."""
_WIDE: Final = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""How a file of more than one byte a character begins → its encoding."""
_MOST_KEYS: Final = 10_000
_OF_THE_RUN: Final = 1
"""The trace that known keys are bound to: words among them are looked for nowhere else."""
_EVERY: Final = 1.0
"""Seconds from one word on the progress to the next."""

File = Annotated[Path, typer.Argument(help="File to read; stdin by default.", metavar="[FILE]")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File to write instead of stdout; may be FILE.", metavar="FILE"
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        help="File of keys, one a line, to redact wherever they stand; - for stdin.",
        metavar="FILE",
    ),
]


def redact(
    context: typer.Context, file: File = _STDIN, output: Output = None, keys: Keys = None
) -> None:
    """Write a file without the keys that are in it; everything else stays byte for byte.

    What is a key is told by its name, its shape, and KEYTRAIL_HEADERS and the like. A summary goes
    to stderr.
    """
    if context.args:
        raise CommandError("one file at a time\nhint: keytrail redact FILE, or pipe it in", 2)
    if file == keys == _STDIN:
        raise CommandError("stdin cannot be both the file and its keys\nhint: name the file", 2)
    stream = _stream(keys)
    try:
        with _reading(file) as source, _writing(output, file) as write:
            for block in _blocks(source, stream, _Progress()):
                write(block)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.write(_summary(stream))


def _stream(keys: Path | None) -> RedactedStream:
    from keytrail.redaction import alone
    from keytrail.redaction.stream import RedactedStream

    memory = None if keys is None else _known(keys)
    try:
        return RedactedStream(alone.redactor(read_settings(None), memory), _OF_THE_RUN)
    except RuntimeError as error:
        raise CommandError(
            f"{error}: nothing is written\nhint: pip install --force-reinstall keytrail"
        ) from None


def _known(keys: Path) -> KeyMemory:
    from keytrail.capture.key import RawKey
    from keytrail.redaction.memory import LONGEST, KeyMemory
    from keytrail.redaction.spellings import SHORTEST

    with _reading(keys) as source:
        lines = [line.strip() for line in source.read().splitlines()]
    if len(lines) > _MOST_KEYS:
        raise CommandError(f"more than {_MOST_KEYS:,} keys\nhint: redact in several runs")
    memory = KeyMemory(ring=len(lines) + 1, per_trace=len(lines) + 1)
    for number, line in enumerate(lines, 1):
        if line and not SHORTEST <= len(line) <= LONGEST:
            raise CommandError(
                f"the key in line {number} is not of {SHORTEST} to {LONGEST:,} bytes\n"
                "hint: a shorter one would redact ordinary words; take it out"
            )
    memory.bind(_OF_THE_RUN, [memory.remember(RawKey(line), None) for line in lines if line])
    return memory


@contextmanager
def _reading(file: Path) -> Iterator[BinaryIO]:
    if file == _STDIN:
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:  # its name is not told: it may be a key, given by mistake
        raise CommandError(
            f"the file cannot be read: {error.strerror}\nhint: keytrail redact FILE, or pipe it in"
        ) from None
    with source:
        yield source


@contextmanager
def _writing(output: Path | None, file: Path) -> Iterator[Callable[[bytes], object]]:
    """Write to stdout as it comes, or to a file that is put in place when it is whole."""
    if output is None:
        yield _to_stdout
        return
    try:
        if output.exists() and not output.is_file():
            with output.open("wb") as sink:
                yield sink.write
            return
        with tempfile.NamedTemporaryFile(dir=output.parent, delete=False) as sink:
            place = Path(sink.name)
            try:
                yield sink.write
                sink.flush()
                if file != _STDIN:
                    shutil.copymode(file, place)
                place.replace(output)
            except BaseException:
                place.unlink()
                raise
    except OSError as error:
        raise CommandError(
            f"the output cannot be written: {error.strerror}\nhint: -o FILE, or no -o for stdout"
        ) from None


def _to_stdout(block: bytes) -> None:
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


def _blocks(source: BinaryIO, stream: RedactedStream, progress: _Progress) -> Iterator[bytes]:
    """Yield the source redacted, in the encoding that it has."""
    read = getattr(source, "read1", source.read)
    block = read(_BLOCK)
    _refuse_packed(block)
    mark, encoding = _encoding(block)
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass") if encoding else None
    yield mark
    block = block[len(mark) :]
    while block:
        progress.tell(len(block))
        yield _fed(stream, block, decoder, encoding)
        block = read(_BLOCK)
    if decoder is not None:
        _decoded(decoder, b"", final=True)
    yield _encoded(stream.finish(), encoding)


def _fed(
    stream: RedactedStream,
    block: bytes,
    decoder: codecs.IncrementalDecoder | None,
    encoding: str | None,
) -> bytes:
    if decoder is not None:
        block = _decoded(decoder, block)
    return _encoded(stream.feed(block), encoding)


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bytes:
    try:
        return str(decoder.decode(block, final)).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"the file begins as {error.encoding} and is not\nhint: convert it to UTF-8 first"
        ) from None


def _encoded(passed: bytes, encoding: str | None) -> bytes:
    if encoding is None:
        return passed
    return passed.decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass")


def _encoding(beginning: bytes) -> tuple[bytes, str | None]:
    """Return the byte order mark and the encoding that it tells; none for all others."""
    for mark, encoding in _WIDE.items():
        if beginning.startswith(mark):
            return mark, encoding
    if beginning[1:4:2] == b"\0\0" and 0 not in beginning[:4:2]:
        return b"", "utf-16-le"
    if beginning[:4:2] == b"\0\0" and 0 not in beginning[1:4:2] and len(beginning) > 3:
        return b"", "utf-16-be"
    return b"", None


def _refuse_packed(beginning: bytes) -> None:
    for mark, unpack in _PACKED.items():
        if beginning.startswith(mark):
            raise CommandError(
                "the file is compressed: its keys cannot be seen\n"
                f"hint: {unpack} FILE | keytrail redact"
            )


class _Progress:
    """Says now and then on a terminal how far it is."""

    def __init__(self) -> None:
        self._bytes = 0
        self._next = time.monotonic() + _EVERY

    def tell(self, number: int) -> None:
        """Count ``number`` more bytes."""
        self._bytes += number
        if sys.stderr.isatty() and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            sys.stderr.write(f"\rkeytrail: {self._bytes / 2**20:,.0f} MiB\r")


def _summary(stream: RedactedStream) -> str:
    by_rule = ", ".join(f"{count:,} by {rule}" for rule, count in sorted(stream.rules.items()))
    return f"keytrail: {stream.rules.total():,} redacted in {stream.lines:,} lines" + (
        f": {by_rule}\n" if by_rule else "\n"
    )
