"""Streams of any length, in blocks of any size: the secrets go, everything else stays."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from keytrail.capture.key import RawKey
from keytrail.redaction import alone, stream
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.stream import RedactedStream
from keytrail.settings import Settings

KNOWN = b"qz81-vX0pL7-kQ22w"
LOG = b"\n".join(
    [
        b'1.2.3.4 - - "GET /p?color=blue&api_key=0123456789abcdef&page=2 HTTP/1.1" 200',
        b"caf\xe9 \xff\xfe\x00 author=me and nothing else\r",
        b"Authorization: Bearer abcdef0123456789.x",
        b"",
        b"seen " + KNOWN + b" here",
        b'{"api_key": "0123456789abcdef", "n": 1}',
    ]
)
CLEAN = b"\n".join(
    [
        b'1.2.3.4 - - "GET /p?color=blue&api_key=REDACTED&page=2 HTTP/1.1" 200',
        b"caf\xe9 \xff\xfe\x00 author=me and nothing else\r",
        b"Authorization: REDACTED",
        b"",
        b"seen REDACTED here",
        b'{"api_key": "REDACTED", "n": 1}',
    ]
)


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    """A redactor that knows one key by value."""
    memory = KeyMemory()
    memory.remember(RawKey(KNOWN), None)
    return alone.redactor(Settings(), memory)


def _passed(redactor: Redactor, data: bytes, cuts: list[int]) -> tuple[bytes, RedactedStream]:
    passing = RedactedStream(redactor)
    ends = [0, *sorted(cuts), len(data)]
    pieces = [passing.feed(data[start:end]) for start, end in pairwise(ends)]
    return b"".join((*pieces, passing.finish())), passing


def test_lines_in_blocks_of_any_size(redactor: Redactor) -> None:
    """However the stream is cut into blocks, the same comes out, and twice changes nothing."""
    for cut in range(len(LOG)):
        assert _passed(redactor, LOG, [cut])[0] == CLEAN
    assert _passed(redactor, CLEAN, [])[0] == CLEAN


def test_what_was_redacted_is_counted(redactor: Redactor) -> None:
    """Lines and secrets, the latter by rule."""
    _, passing = _passed(redactor, LOG, [])
    assert (passing.lines, dict(passing.rules)) == (6, {"name": 3, "value": 1})


def test_a_line_longer_than_a_window(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is found wherever the borders of the windows lie, before, in and behind it."""
    for name, size in {"WINDOW": 300, "OVERLAP": 80, "BEFORE": 60, "_OPENING": 20}.items():
        monkeypatch.setattr(stream, name, size)
    for before in range(0, 700, 7):
        around = b"x y " * (before // 4) + b"z" * (before % 4)
        line = around + b"?api_key=0123456789abcdef&page=2 " + KNOWN + b" " + b"end " * 200
        wanted = around + b"?api_key=REDACTED&page=2 REDACTED " + b"end " * 200
        for size in (50, 333):
            cuts = list(range(size, len(line), size))
            assert _passed(redactor, line, cuts)[0] == wanted
            follows = _passed(redactor, line + b"\n" + LOG, cuts)[0]
            assert follows == wanted + b"\n" + CLEAN


def test_a_secret_longer_than_a_window(redactor: Redactor) -> None:
    """It is redacted to its end, once, and memory holds one window of it."""
    secret = bytes(Random(1).choices(b"abcdefghij0123456789", k=5 * stream.WINDOW))
    for follows in (b"&page=2\nplain", b"&page=2", b"", b"\nplain"):
        line = b"start ?api_key=" + secret + follows
        passed, passing = _passed(redactor, line, list(range(0, len(line), 65_536)))
        assert passed == b"start ?api_key=REDACTED" + follows
        assert dict(passing.rules) == {"name": 1}


def test_little_is_held(redactor: Redactor) -> None:
    """Of a line that never ends all but a window has passed at any time."""
    passing = RedactedStream(redactor)
    passed = 0
    for number in range(1, 100):
        passed += len(passing.feed(b"ordinary words " * 4096))
        assert number * 61_440 - passed <= stream.WINDOW + 61_440


def test_without_an_engine_nothing_passes(redactor: Redactor) -> None:
    """Where redaction is not available the stream is refused, not passed."""
    broken = Redactor.__new__(Redactor)
    broken._rules = None
    with pytest.raises(RuntimeError, match="redaction is not available"):
        RedactedStream(broken)
