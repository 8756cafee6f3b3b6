"""Values that go on in the next lines, as those of configurations, shells, headers and mails do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST: Final = 32 * 1024
"""Bytes after which what could end a value is not waited for any more."""
_MOST_LINES: Final = 256
_MOST_WORDS: Final = 16
"""So often the word that ends a here-document may stand inside of it."""
_WIDE: Final = 60
"""Characters of a line that may have been broken because it was too long."""
_SHORTEST: Final = 8
_SCALAR: Final = re.compile(rb"[|>][-+1-9]{0,2}[ \t]*(?:#[^\n]*)?\r?\n")
_HEREDOC: Final = re.compile(rb"[^\n<]{0,80}<<[-~]?\\?[\"']?([A-Za-z_]\w{0,63})[\"']?[^\n]*\n")
_INDENTATION: Final = re.compile(rb"[ \t]*(?:- +)*")
_NEXT_LINE: Final = re.compile(
    rb"(?P<joined>=)?\r?\n(?P<indentation>[ \t]*)(?P<run>[A-Za-z0-9+/=_.~%-]{4,4096})"
    rb"(?P<end>[ \t\"',;)\]]*)(?=\r?\n|=\r?\n|\Z)"
)
_AFTER_BACKSLASH: Final = re.compile(rb"[ \t]*\\?\r?\n[ \t]*[^\s\"'\\]+")
"""A shell's line break inside of a word or of quotes."""
_UNFINISHED: Final = re.compile(rb"\\\Z|^(?i:bearer|basic|token|dpop)\Z")
_WORD: Final = re.compile(rb"\w")
_DIGIT: Final = re.compile(rb"[0-9]")
_CLOSES_LINE: Final = re.compile(rb"[ \t]*[,;)\]}]*[ \t]*(?:\r?\n|\Z)")
_MULTILINE_OPENING: Final = re.compile(rb"\s*[A-Za-z@$]{0,2}(?:'''|\"\"\"|[\[(])")


def block(data: bytes, name: int, start: int) -> tuple[int, int] | None:
    """Return the lines that a YAML block scalar or a here-document gives the name at ``name``."""
    header = _SCALAR.match(data, start)
    if header is not None:
        return _trimmed(data, header.end(), _scalar_end(data, name, header.end()))
    document = _HEREDOC.match(data, start)
    end = None if document is None else _document_end(data, document)
    return None if document is None or end is None else _trimmed(data, document.end(), end)


def closing(data: bytes, start: int, quote: bytes) -> int:
    """Return where a quote closes that its line leaves open, -1 where it does not.

    It must be the next such quote and close its line too: else it opens another value.
    """
    end = data.find(b"\n", start)
    if end < 0 or len(quote) != 1 or data.find(quote, start, end) >= 0:
        return -1
    at = data.find(quote, end, start + LONGEST)
    return at if at >= 0 and _CLOSES_LINE.match(data, at + 1) else -1


def continued(
    data: bytes, name: int, values: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the values, each to the end of the lines over which it was folded or broken."""
    for start, end in values:
        yield start, _continued_end(data, name, start, end)


def told_until(data: bytes, start: int, end: int) -> int:
    """Return up to where must be read to tell that the value at ``start`` ends at ``end``."""
    document = _HEREDOC.match(data, start)
    return end if document is None else max(end, _document_end(data, document) or end)


def is_open(data: bytes, name: int, start: int, end: int) -> bool:
    """Tell whether a value whose known part ends at ``end`` may go on behind ``data``."""
    if len(data) - start > LONGEST:
        return False
    if header := _SCALAR.match(data, start):
        return _scalar_end(data, name, header.end()) == len(data)
    if document := _HEREDOC.match(data, start):
        return _document_end(data, document) is None
    rest = data[end:]
    if _MULTILINE_OPENING.match(data, start):
        listed = data[start : start + 1] in (b"[", b"(")
        return not rest.strip(b" \t\r\n,'\"`[(" if listed else b" \t\r\n")
    line_end = data.find(b"\n", start)
    quote = data[start : start + 1]
    if quote in (b"'", b'"') and 0 <= line_end <= end + 1:
        return data.find(quote, start + 1) < 0
    is_last = rest in (b"\n", b"\r\n", b"=\n", b"=\r\n")
    unfinished = _UNFINISHED.search(data[start:end]) is not None
    return is_last and (unfinished or _line_is_wide(data, name, end))


def _continued_end(data: bytes, name: int, start: int, end: int) -> int:
    if end > start and data[end - 1 : end] == b"\\":
        word = _AFTER_BACKSLASH.match(data, end)
        return end if word is None else word.end()
    line = _line_start(data, name)
    outer = _INDENTATION.match(data, line)
    indentation = 0 if outer is None else len(outer[0])
    wide = _line_is_wide(data, name, end)
    for _ in range(_MOST_LINES):
        following = _NEXT_LINE.match(data, end)
        if following is None or not (
            following["joined"] or _goes_on(data[start:end], following, indentation, wide=wide)
        ):
            return end
        end = following.end("run")
        wide = wide and end - following.start("indentation") >= _WIDE
    return end


def _goes_on(value: bytes, following: re.Match[bytes], indentation: int, *, wide: bool) -> bool:
    run = following["run"]
    if _DIGIT.search(run) is None:
        return False
    folded = len(following["indentation"]) > indentation and len(run) >= _SHORTEST
    return bool(value) and (folded or (wide and not following["indentation"]))


def _scalar_end(data: bytes, name: int, start: int) -> int:
    outer = _INDENTATION.match(data, _line_start(data, name))
    depth = 1 if outer is None else len(outer[0]) + 1
    inner = re.compile(rb"(?:[ \t]{%d,%d}[^\n]*(?:\n|\Z)|[ \t\r]*\n)*" % (depth, max(depth, 512)))
    found = inner.match(data, start)
    return start if found is None else found.end()


def _document_end(data: bytes, document: re.Match[bytes]) -> int | None:
    """Return where the line begins that ends the document: its word stands there alone."""
    at = document.end()
    for _ in range(_MOST_WORDS):
        at = data.find(document[1], at, document.end() + LONGEST)
        if at < 0:
            return None
        line = _line_start(data, at)
        if not data[line:at].strip(b" \t") and not _WORD.match(data, at + len(document[1])):
            return line
        at += 1
    return None


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the stretch without the blanks and line breaks around it."""
    lines = data[start:end]
    first = start + len(lines) - len(lines.lstrip())
    return first, max(first, start + len(lines.rstrip()))


def _line_is_wide(data: bytes, name: int, end: int) -> bool:
    return end - _line_start(data, name) >= _WIDE


def _line_start(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1
