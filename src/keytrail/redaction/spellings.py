"""The ways in which a key turns up in text: raw, escaped, percent-encoded, hex, base64."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from keytrail.redaction.memory import SHORTEST_IN_RING, reads_ordinary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.redaction.memory import Remembered

PROBE: Final = 8
"""Bytes of a spelling that are looked for first; the whole is compared where they are found."""
SHORTEST: Final = 4
"""A shorter key is not looked for by value: nothing tells it from an ordinary word or number."""
_LEFT_ALONE_BY_CLIENTS: Final = (
    "",
    "/",
    "/:",
    "?/:@!$'()*,",  # yarl, in a query
    "!#$%&'()*+,/:;=?@[]~",  # requests
    "!$%&'()*+,/:;=?@[\\]^`{|}~",  # browsers and httpx, in a query
)
"""What URL libraries leave unencoded, from the strictest to the most lenient."""
_NEVER_ESCAPED: Final = re.compile(rb"[A-Za-z0-9._~-]+")
_PLAIN: Final = {
    byte: re.escape(bytes([byte])) for byte in range(128) if _NEVER_ESCAPED.match(bytes([byte]))
}
_FIRST_OF_MANY_BYTES: Final = 128
_AS_NUMBER: Final = (
    rb"(?:%(?:25)*[0-9A-Fa-f]{2}|\\+(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[abfnrtv0])"
    rb"|&(?:amp;)*(?:[a-z]{2,5}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)"
)
"""A character of URLs, of strings in source or JSON, or of HTML."""
_WORD: Final = re.compile(rb"[A-Za-z0-9_-]")
_SHORTEST_CUT: Final = 12
"""So much of a key's beginning tells that it was cut off there."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One form of a key."""

    text: bytes = field(repr=False)
    fingerprint: str | None
    whole_word: bool
    """Counts only where no letter or digit touches it: a short key is part of many words."""
    plain: bool = False
    """The key as it is: its beginning alone counts too, and every way to escape the rest."""

    @property
    def probe(self) -> bytes:
        """Return what is looked for first."""
        return self.text[:PROBE]

    def end(self, data: bytes, start: int) -> int:
        """Return where the key ends that begins at ``start``, -1 where it does not stand there."""
        if data.startswith(self.text, start):
            return start + len(self.text)
        if not self.plain or self.whole_word:
            return -1
        escaped = None if _NEVER_ESCAPED.fullmatch(self.text) else _escaped(self.text)
        found = None if escaped is None else escaped.match(data, start)
        return _cut_off(self.text, data, start) if found is None else found.end()


def _cut_off(text: bytes, data: bytes, start: int) -> int:
    """Return where ``data`` breaks the key off, -1 where too little of it is there to tell it.

    What goes on with other letters is another key that begins alike.
    """
    end = start
    for one, other in zip(text, data[start : start + len(text)], strict=False):
        if one != other:
            break
        end += 1
    whole_word = _WORD.match(data, end) is None
    is_told = end - start >= _SHORTEST_CUT and not reads_ordinary(data[start:end])
    return end if whole_word and is_told else -1


def _escaped(text: bytes) -> re.Pattern[bytes]:
    """Return an expression for the key however often it was escaped, and for whom."""
    return re.compile(b"".join([_PLAIN.get(byte) or _escapes_of(byte) for byte in text]))


def _escapes_of(byte: int) -> bytes:
    if byte >= _FIRST_OF_MANY_BYTES:
        return rb"(?:[\x80-\xff]|" + _AS_NUMBER + rb")?"
    plus = rb"|\+" if byte == ord(" ") else b""
    return rb"(?:\\*" + re.escape(bytes([byte])) + plus + b"|" + _AS_NUMBER + b")"


def spellings(key: Remembered) -> list[Spelling]:
    """Return every form of ``key``, each once; none for a key that is too short to be told."""
    raw = key.reveal()
    if len(raw) < SHORTEST:
        return []
    short = len(raw) < SHORTEST_IN_RING
    forms = dict.fromkeys((*_plain(raw), *([] if short else _packed(raw))))
    return [Spelling(form, key.fingerprint, whole_word=short, plain=form == raw) for form in forms]


def _plain(raw: bytes) -> Iterator[bytes]:
    """Yield the key as text and the escapes that keep most of it readable."""
    yield raw
    if _NEVER_ESCAPED.fullmatch(raw):
        return
    yield repr(raw)[2:-1].encode()
    for text in _decoded(raw):
        yield text.encode("utf-8", "surrogatepass")
        yield repr(text)[1:-1].encode("utf-8", "surrogatepass")
        yield json.dumps(text)[1:-1].encode()
        yield json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    yield from _percent_encoded(raw)


def _decoded(raw: bytes) -> Iterator[str]:
    yield raw.decode("latin-1")
    yield raw.decode("utf-8", "surrogateescape")


def _percent_encoded(raw: bytes) -> Iterator[bytes]:
    once = [quote_plus(raw), *(quote(raw, safe=safe) for safe in _LEFT_ALONE_BY_CLIENTS)]
    for form in once:
        yield form.encode()
        yield _lower_hex(form).encode()
    yield quote(once[1], safe="").encode()
    yield quote(_lower_hex(once[1]), safe="").encode()


def _lower_hex(quoted: str) -> str:
    first, *escapes = quoted.split("%")
    return first + "".join(f"%{escape[:2].lower()}{escape[2:]}" for escape in escapes)


def _packed(raw: bytes) -> Iterator[bytes]:
    """Yield hex, and of base64 what is the same whatever stands before and after the key."""
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before in range(3):
        whole = (before + len(raw)) // 3 * 4
        first = (0, 2, 3)[before]
        packed = base64.b64encode(bytes(before) + raw)
        rest = (before + len(raw)) % 3
        core = packed[first : whole + (0, 1, 2)[rest]]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
