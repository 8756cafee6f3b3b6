"""Canary keys, one for each place where a key can stand, and the search that misses no spelling."""

from __future__ import annotations

import base64
import hashlib
import json
import string
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX: Final = "canary-"
"""Of no shape that keytrail knows: only its name or its value tells such a key."""
SLICE: Final = 8
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 20


def key_of(place: str) -> str:
    """Return the canary of ``place``: always the same, in this process and in the service's."""
    return PREFIX + _secret(place)


def awkward_key_of(place: str) -> str:
    """Return a canary that every encoding writes differently."""
    secret = _secret(place)
    return f"canary+{secret[:6]}/b=c d&{secret[6:13]}\"'\\%{secret[13:]}"


def shaped_key_of(place: str) -> str:
    """Return a canary that its shape alone gives away."""
    return f"ghp_{_secret(place)}{_secret(place + ' again')[:16]}"


def _secret(place: str) -> str:
    number = int.from_bytes(hashlib.sha256(place.encode()).digest(), "big")
    digits = []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


class Leak(NamedTuple):
    """One spelling of one canary that got out."""

    place: str
    form: str


def forms(key: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every spelling under which a leaked key is a leaked key."""
    raw = key.encode()
    yield "raw", raw
    for safe in ("", "/", "!#$%&'()*+,/:;=?@[]~"):
        yield "percent-encoded", quote(key, safe=safe).encode()
        yield "percent-encoded twice", quote(quote(key, safe=safe), safe="").encode()
    yield "percent-encoded", quote_plus(key).encode()
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    yield "repr", repr(key)[1:-1].encode()
    yield "repr", repr(raw)[2:-1].encode()
    yield "JSON", json.dumps(key)[1:-1].encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield f"base64 after {before} bytes", _certain(encode(bytes(before) + raw), before, raw)
    secret = raw[len(PREFIX) :]
    for start in range(len(secret) - SLICE + 1):
        yield "slice", secret[start : start + SLICE]


def _certain(encoded: bytes, before: int, raw: bytes) -> bytes:
    """Return what of the base64 text depends on the key alone, whatever stands around it."""
    whole_bits = (before + len(raw)) * 8
    return encoded[-(-before * 8 // 6) : whole_bits // 6]


class Search:
    """Looks for the canaries of all ``places`` at once."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._forms: dict[bytes, Leak] = {}
        for place, key in keys.items():
            for form, spelled in forms(key):
                self._forms.setdefault(spelled, Leak(place, form))
        self._spellings = list(self._forms)
        self._automaton = BytesAhoCorasick(self._spellings)

    def leaks(self, *texts: bytes) -> Counter[Leak]:
        """Return what leaked, and how often."""
        return Counter(
            self._forms[self._spellings[number]]
            for text in texts
            for number, _, _ in self._automaton.find_matches_as_indexes(text, overlapping=True)
        )

    def around(self, texts: Iterable[bytes], width: int = 120) -> list[str]:
        """Return the leaks with what stands around them, to find out where they come from."""
        shown = []
        for text in texts:
            for number, start, end in self._automaton.find_matches_as_indexes(text):
                leak = self._forms[self._spellings[number]]
                shown.append(f"{leak}: {text[max(0, start - width) : end + 40]!r}")
        return shown
