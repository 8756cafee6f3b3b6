"""``keytrail redact``: a file or stdin without its keys, and nothing else changed."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from cli.cli_kit import KEYTRAIL, environment, keytrail

K1 = "an-unheard-of-key-0815"
LOG = f"GET /p?color=blue&api_key={K1}&page=2\nplain words\nAuthorization: Bearer {K1}\n"
CLEAN = "GET /p?color=blue&api_key=REDACTED&page=2\nplain words\nAuthorization: REDACTED\n"
SUMMARY = b"keytrail: 2 redacted in 3 lines: 2 by name\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with two keys."""
    file = tmp_path / "app.log"
    file.write_text(LOG)
    return file


def test_stdin_to_stdout() -> None:
    """Data goes to stdout, what was done to stderr, with a count for each rule."""
    ran = keytrail("redact", stdin=LOG)
    assert (ran.returncode, ran.stdout.decode(), ran.stderr) == (0, CLEAN, SUMMARY)


def test_a_file_in_place(log: Path) -> None:
    """``-o`` may be the file itself; its mode is kept, and nothing is left beside it."""
    log.chmod(0o640)
    ran = keytrail("redact", str(log), "-o", str(log))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", SUMMARY)
    assert (log.read_text(), stat.S_IMODE(log.stat().st_mode)) == (CLEAN, 0o640)
    assert os.listdir(log.parent) == [log.name]


def test_bytes_of_no_encoding_survive(tmp_path: Path) -> None:
    """What is not UTF-8, and line ends of any kind, stay as they are."""
    odd = b"caf\xe9\r\n\xff\x00\x80 api_key=" + K1.encode() + b"\r\rend \xc3"
    file = tmp_path / "odd"
    file.write_bytes(odd)
    ran = keytrail("redact", str(file))
    assert ran.stdout == odd.replace(K1.encode(), b"REDACTED")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings(tmp_path: Path, encoding: str) -> None:
    """A log in UTF-16 or UTF-32, as PowerShell writes one, is redacted in its encoding."""
    file = tmp_path / "wide"
    file.write_bytes(LOG.encode(encoding))
    assert keytrail("redact", str(file)).stdout == CLEAN.encode(encoding)


def test_known_keys(tmp_path: Path) -> None:
    """Keys of a file go wherever they stand and however they are spelled."""
    keys = tmp_path / "keys"
    keys.write_text("an+unheard of/key\n\nanother-unheard-of\n")
    text = "an%2Bunheard%20of%2Fkey and another-unheard-of and ordinary\n"
    ran = keytrail("redact", "--keys", str(keys), stdin=text)
    assert ran.stdout == b"REDACTED and REDACTED and ordinary\n"
    assert ran.stderr == b"keytrail: 2 redacted in 1 lines: 2 by value\n"


def test_a_known_key_that_is_too_short(tmp_path: Path) -> None:
    """It would redact ordinary words: its line is named, never its text."""
    keys = tmp_path / "keys"
    keys.write_text("long-enough\nabc\n")
    ran = keytrail("redact", "--keys", str(keys), stdin="x")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr == (
        b"keytrail: the key in line 2 is not of 4 to 4,096 bytes\n"
        b"hint: a shorter one would redact ordinary words; take it out\n"
    )


def test_lines_pass_as_they_come() -> None:
    """A line is written before the next one is there: it can stand in a pipe behind a service."""
    with subprocess.Popen(
        [str(KEYTRAIL), "redact"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line, clean in zip(LOG.splitlines(), CLEAN.splitlines(), strict=True):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == f"{clean}\n".encode()
        process.stdin.close()


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """``| head`` ends it without an error."""
    file = tmp_path / "long"
    file.write_text(LOG * 20_000)
    ran = subprocess.run(
        f"{KEYTRAIL} redact {file} | head -1",
        shell=True,
        capture_output=True,
        env=environment(),
        timeout=240,
        check=True,
    )
    assert ran.stdout.decode() == CLEAN.splitlines(keepends=True)[0]
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (
            ("redact", K1),
            b"",
            1,
            "the file cannot be read: No such file or directory\n"
            "hint: keytrail redact FILE, or pipe it in",
        ),
        (
            ("redact", "a", K1),
            b"",
            2,
            "one file at a time\nhint: keytrail redact FILE, or pipe it in",
        ),
        (
            ("redact", "--keys", "-"),
            b"",
            2,
            "stdin cannot be both the file and its keys\nhint: name the file",
        ),
        (
            ("redact", "-o", "/nowhere/out"),
            b"",
            1,
            "the output cannot be written: No such file or directory\n"
            "hint: -o FILE, or no -o for stdout",
        ),
        (
            ("redact",),
            b"\x1f\x8b\x08\x00",
            1,
            "the file is compressed: its keys cannot be seen\n"
            "hint: gzip -dc FILE | keytrail redact",
        ),
        (
            ("redact",),
            b"\xff\xfea\0b",
            1,
            "the file begins as utf-16-le and is not\nhint: convert it to UTF-8 first",
        ),
    ],
)
def test_what_cannot_be_done(
    arguments: tuple[str, ...], stdin: bytes, code: int, message: str
) -> None:
    """Each error says what, and the next step; a key given by mistake is not shown."""
    ran = subprocess.run(
        [str(KEYTRAIL), *arguments],
        input=stdin,
        capture_output=True,
        env=environment(),
        timeout=240,
        check=False,
    )
    assert (ran.returncode, ran.stderr.decode()) == (code, f"keytrail: {message}\n")
