from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.cli_kit import KEYTRAIL, environment, keytrail
from keytrail.cli.app import app
from support.cases import F1, F2, F3, K1, K2, K3, PEPPER

_NEW_PEPPER = "f" * 32
_REFUSED = (
    "keytrail: a key is not taken as an argument: "
    "other users and the shell's history would see it\n"
    "hint: run `keytrail fingerprint` and type it, or pipe it in\n"
)


@pytest.mark.parametrize(("key", "expected"), [(K1, F1), (K2, F2), (K3, F3)])
@pytest.mark.parametrize("newline", ["", "\n", "\r\n"])
def test_the_fingerprint_of_a_piped_key(key: str, expected: str, newline: str) -> None:
    """A newline at the end is the pipe's, not the key's."""
    shown = CliRunner().invoke(
        app, ["fingerprint"], input=(key + newline).encode(), env={"KEYTRAIL_PEPPER": PEPPER}
    )
    assert shown.stdout == f"fingerprint    {expected}\npepper_id      8805e1a2\n"
    assert (shown.exit_code, shown.stderr) == (0, "")


@pytest.mark.parametrize(
    "given",
    [
        b"  %b \t\r\n\r\n",
        b"\n\n%b",
        b"\xef\xbb\xbf%b\r\n",
        *(f"\ufeff{K1}\r\n".encode(f"utf-16-{order}") for order in ("le", "be")),
    ],
)
def test_what_editors_and_shells_add_is_not_the_key(given: bytes) -> None:
    """Blanks around it, empty lines, byte order marks, and PowerShell's UTF-16."""
    content = given.replace(b"%b", K1.encode())
    shown = CliRunner().invoke(app, ["fingerprint"], input=content, env={"KEYTRAIL_PEPPER": PEPPER})
    assert shown.stdout.splitlines()[0] == f"fingerprint    {F1}"


def test_several_lines_are_no_key() -> None:
    """One of them may be: none is shown."""
    shown = keytrail("leak", stdin=f"{K1}\n{K2}\n", KEYTRAIL_PEPPER=PEPPER)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert shown.stderr.decode() == (
        "keytrail: 2 lines came from stdin, and a key is one\nhint: pipe in the key alone\n"
    )


def test_fingerprints_under_previous_peppers_are_shown() -> None:
    """During a rotation a key has several names."""
    shown = keytrail(
        *("fingerprint", "--format", "json"),
        stdin=K1,
        KEYTRAIL_PEPPER=_NEW_PEPPER,
        KEYTRAIL_PREVIOUS_PEPPERS=PEPPER,
    )
    found = json.loads(shown.stdout)
    assert found["previous"] == [F1]
    assert found["fingerprint"] != F1
    assert sorted(found) == ["fingerprint", "pepper_id", "previous"]


def test_digests_are_shown_on_demand() -> None:
    """Plain SHA-256 in hex and base64, as LiteLLM and GitHub show it."""
    shown = keytrail("fingerprint", "--digests", stdin=K1, KEYTRAIL_PEPPER=PEPPER)
    assert shown.stdout.decode().splitlines()[2:] == [
        "sha256         479a082724afbcff49607358d5135479a3e046e53811991a3b8ffe4759412210",
        "sha256_base64  R5oIJySvvP9JYHNY1RNUeaPgRuU4EZkaO4/+R1lBIhA=",
    ]


@pytest.mark.parametrize("argument", [K1, f"--{K1}", f"-{K1}"])
def test_a_key_as_an_argument_is_refused(argument: str) -> None:
    """Exit 2, and the key is not shown again."""
    shown = keytrail("fingerprint", argument, KEYTRAIL_PEPPER=PEPPER)
    assert (shown.returncode, shown.stdout, shown.stderr.decode()) == (2, b"", _REFUSED)


def test_an_empty_key_is_refused() -> None:
    """Nothing must never have a fingerprint."""
    shown = keytrail("fingerprint", stdin="\n", KEYTRAIL_PEPPER=PEPPER)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert shown.stderr.decode() == (
        "keytrail: an empty key has no fingerprint\nhint: type the key, or pipe it in\n"
    )


def test_too_much_is_refused() -> None:
    """A file piped in by mistake is no key."""
    shown = keytrail("fingerprint", stdin="x" * (1024 * 1024 + 1), KEYTRAIL_PEPPER=PEPPER)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert shown.stderr.decode() == (
        "keytrail: what came from stdin is too long for a key\nhint: pipe in the key alone\n"
    )


def test_a_generated_pepper_is_named(home: Path) -> None:
    """Whoever fingerprints under this installation's pepper is told so."""
    shown = keytrail("fingerprint", stdin=K1)
    assert shown.returncode == 0
    assert shown.stderr.decode() == (
        f"keytrail: under the pepper of this installation, {home}/pepper\n"
        "hint: set KEYTRAIL_PEPPER where services have another\n"
    )
    assert keytrail("fingerprint", stdin=K1).stdout == shown.stdout


def test_a_pepper_that_cannot_be_kept_is_told(home: Path) -> None:
    """A fingerprint that nobody can compare is not shown in silence."""
    home.write_text("a file where the directory should be")
    shown = keytrail("fingerprint", stdin=K1)
    assert shown.stderr.decode() == (
        f"keytrail: {home}/pepper: File exists\n"
        "keytrail: no pepper is set and none can be kept: this fingerprint is of no use later\n"
        "hint: set KEYTRAIL_PEPPER to what the services have\n"
    )


def test_a_typed_key_is_not_echoed() -> None:
    """On a terminal the key is asked for, and does not stand there afterwards."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [KEYTRAIL, "fingerprint"],
        stdin=side,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(KEYTRAIL_PEPPER=PEPPER),
        start_new_session=True,
        preexec_fn=lambda: _control(side),
    )
    os.close(side)
    shown = b""
    while b"key: " not in shown:
        shown += os.read(terminal, 100)
    os.write(terminal, K1.encode() + b"\n")
    assert process.stdout is not None
    assert process.stdout.read().decode().splitlines()[0] == f"fingerprint    {F1}"
    process.stdout.close()
    assert process.wait() == 0
    with contextlib.suppress(OSError):  # the other side is closed
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert K1.encode() not in shown


def _control(side: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
