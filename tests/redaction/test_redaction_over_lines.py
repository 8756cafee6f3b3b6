"""Values that go on in the next lines: of configurations, shells, headers and mails."""

from __future__ import annotations

import pytest

from keytrail.redaction.beyond import LONGEST
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.stream import WINDOW, RedactedStream

BY_NAME = Redactor(SensitiveNames(), KeyMemory())
WIDE = "a1B2c3D4" * 7
KINDS = {
    "three quotes": (
        "password = '''hunter2\nhunter3 more\n'''\nuser = 'bob'\n",
        "password = '''REDACTED'''\nuser = 'bob'\n",
    ),
    "quotes over lines": (
        'PASSWORD="first\nsecond line\nthird"\nUSER="bob"\n',
        'PASSWORD="REDACTED"\nUSER="bob"\n',
    ),
    "block scalar": (
        "db:\n  password: |\n    hunter2 line\n\n    hunter3\n  user: bob\n",
        "db:\n  password: |\n    REDACTED\n  user: bob\n",
    ),
    "folded scalar in a list": (
        "- password: >-\n    hunter2\n  user: bob\n",
        "- password: >-\n    REDACTED\n  user: bob\n",
    ),
    "here-document": (
        'private_key = <<EOT\nhunter2\n  EOTs\nEOT\nuser = "bob"\n',
        'private_key = <<EOT\nREDACTED\nEOT\nuser = "bob"\n',
    ),
    "here-document of a shell": (
        "export TOKEN=$(cat <<-'EOF'\n\thunter2\n\tEOF\n)\necho hi\n",
        "export TOKEN=$(cat <<-'EOF'\n\tREDACTED\n\tEOF\n)\necho hi\n",
    ),
    "JSON array": (
        '{\n  "token": [\n    "hunter2",\n    "hunter3"\n  ],\n  "page": 2\n}\n',
        '{\n  "token": [\n    "REDACTED",\n    "REDACTED"\n  ],\n  "page": 2\n}\n',
    ),
    "folded header": (
        "Authorization: Bearer\n  opaque0token0value\nAccept: */*\n",
        "Authorization: REDACTED\nAccept: */*\n",
    ),
    "header in a mail": (
        f"X-Api-Key: {WIDE}=\na1B2c3D4\nnext line\n",
        "X-Api-Key: REDACTED\nnext line\n",
    ),
    "URL in a narrow terminal": (
        f"see https://h/x?api_key={WIDE}\n{WIDE + WIDE[:24]}\na1B2c3D4\nnext line\n",
        "see https://h/x?api_key=REDACTED\nnext line\n",
    ),
    "line of a shell that goes on": (
        'curl -H "Authorization: Bearer \\\nabc12345def67890" https://h/\n',
        'curl -H "Authorization: REDACTED" https://h/\n',
    ),
}
ONE_LINE = {
    "next header": "  Authorization: {}\n  Accept: text/html\n",
    "frames below": "Cookie: {}\n\tat com.foo.Bar(Bar.java:12)\n",
    "hash below": "INFO token={}\n0123456789abcdef0123456789abcdef\n",
    "other quotes below": 'level=info token="{}\nmsg="hello" x="y"\n',
    "apostrophe below": "token: '{}\nthe user's dog\n",
    "sibling below": "password: {}\nuser: bob\n",
    "shift": "password={}<<def\nnext\n",
}


def _streamed(text: str, size: int) -> str:
    data = text.encode()
    stream = RedactedStream(BY_NAME)
    passed = [stream.feed(data[start : start + size]) for start in range(0, len(data), size)]
    return b"".join([*passed, stream.finish()]).decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", ["", "the warehouse did not answer\n" * 300])
def test_value_goes_in_all_its_lines(kind: str, before: str) -> None:
    """Nothing of it is left, and nothing behind it is taken."""
    text, passed = KINDS[kind]
    assert BY_NAME.text(before + text) == before + passed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
def test_value_goes_wherever_a_block_ends(kind: str, size: int) -> None:
    """A stream holds back what may go on until its end is seen."""
    text, passed = KINDS[kind]
    assert _streamed(f"first line\n{text}" * 2, size) == f"first line\n{passed}" * 2


@pytest.mark.parametrize("kind", ONE_LINE)
@pytest.mark.parametrize("size", [1, 64 * 1024])
def test_next_line_stays_where_it_is_another(kind: str, size: int) -> None:
    """What stands below a value is not part of it."""
    text = ONE_LINE[kind]
    assert _streamed(text.format("hunter2"), size) == text.format("REDACTED")


@pytest.mark.parametrize("opened", ["password = '''", "password: |", "token=<<EOT", 'PASSWORD="a'])
def test_value_without_an_end_is_not_waited_for(opened: str) -> None:
    """A stream holds no more than a window, and lets go of what is long open."""
    stream = RedactedStream(BY_NAME)
    lines = f"{opened}\n" + "  the warehouse did not answer\n" * (4 * WINDOW // 30)
    passed = stream.feed(lines.encode())
    assert len(lines) - len(passed) <= WINDOW + LONGEST or b"REDACTED" in passed
    assert len(stream._pending) <= WINDOW
