"""Private keys in PEM and its kin: the body goes, whatever surrounds it and wherever it ends."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from keytrail.redaction.redactor import Redactor
from keytrail.redaction.stream import RedactedStream

_LINES = [base64.b64encode(bytes(range(start, start + 48))).decode() for start in (0, 60, 120, 180)]
BODY = "\n".join([*_LINES, "Q1w2E3=="])
LABELS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")


def pem(label: str = "RSA ", body: str = BODY) -> str:
    return f"-----BEGIN {label}PRIVATE KEY-----\n{body}\n-----END {label}PRIVATE KEY-----\n"


def _left(passed: str) -> list[str]:
    """Return what is left of the body, in eights of its characters."""
    plain = passed.replace("%2B", "+").replace("%2F", "/")
    return [line for line in _LINES for at in range(0, 64, 8) if line[at : at + 8] in plain]


SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "JSON": lambda text: json.dumps({"tls": text, "page": 2}),
    "JSON in JSON": lambda text: json.dumps({"m": json.dumps({"tls": text})}),
    "one line": lambda text: text.replace("\n", " "),
    "one word": lambda text: text.replace("\n", ""),
    "percent-encoded": lambda text: f"http://h/?tls={quote(text)}&page=2",
    "form": lambda text: f"tls={quote_plus(text)}&page=2",
    "indented": lambda text: "tls: |\n" + "".join(f"    {one}\n" for one in text.splitlines()),
    "quoted lines": lambda text: " +\n".join(f'"{one}\\n"' for one in text.splitlines()),
    "log lines": lambda text: "".join(f"12:00 INFO {one}\n" for one in text.splitlines()),
    "named": lambda text: f'private_key="{text}" page=2',
    "triple quotes": lambda text: f'KEY = """{text}"""',
}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("around", SURROUNDINGS)
def test_body_goes(by_name: Redactor, around: str, label: str) -> None:
    """Nothing of the body stays, and redacting again changes nothing."""
    once = by_name.text(f"before {SURROUNDINGS[around](pem(label))} after")
    assert once.startswith("before ")
    assert once.endswith(" after")
    assert "REDACTED" in once
    assert _left(once) == []
    assert by_name.text(once) == once


def test_lines_around_the_body_stay(by_name: Redactor) -> None:
    """What kind of key stood there can still be read."""
    text = f"a\n{pem()}b\n{pem('EC ')}c\n{pem('PGP ').replace('KEY-', 'KEY BLOCK-')}d\n"
    assert by_name.text(text) == text.replace(BODY, "REDACTED")


@pytest.mark.parametrize("kept", [28, 36, 48, 70, 100, 130, 200, 240])
@pytest.mark.parametrize("around", ["as it is", "repr", "JSON", "CRLF", "percent-encoded"])
def test_cut_off_body_goes(by_name: Redactor, around: str, kept: int) -> None:
    """A length limit that took the last line saves no part of the others."""
    whole = SURROUNDINGS[around](pem())
    once = by_name.text(whole[: whole.index("KEY") + kept])
    assert _left(once) == []
    assert by_name.text(once) == once


def test_what_follows_a_cut_off_body_stays(by_name: Redactor) -> None:
    """Only what reads like a body goes."""
    begin = pem().partition("\n")[0]
    assert by_name.text(f"{begin}\n{_LINES[0]}\n... cut off; retrying in 3 seconds") == (
        f"{begin}\nREDACTED\n... cut off; retrying in 3 seconds"
    )


def test_headers_of_an_encrypted_body_go_with_it(by_name: Redactor) -> None:
    """A cut-off body may begin with the lines that say how it is encrypted."""
    begin = pem().partition("\n")[0]
    text = f"{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n{_LINES[0]}"
    assert by_name.text(text) == f"{begin}\nREDACTED"


@pytest.mark.parametrize("label", LABELS)
def test_base64_of_a_whole_file_goes(by_name: Redactor, label: str) -> None:
    """Kubernetes keeps its secrets so: what tells that it is a private key stays."""
    packed = base64.b64encode(pem(label).encode()).decode()
    once = by_name.text(f"tls.key: {packed}\ntls.crt: x")
    assert once.startswith("tls.key: LS0tLS1CRUdJTi")
    assert once.endswith("REDACTED\ntls.crt: x")
    assert len(once) < 100


def test_putty_key_goes(by_name: Redactor) -> None:
    """PuTTY's files have no lines with dashes."""
    text = f"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 5\n{BODY}\nPrivate-MAC: 00ff\n"
    assert by_name.text(text) == text.replace(BODY, "REDACTED")


@pytest.mark.parametrize(
    "text",
    [
        'if "-----BEGIN PRIVATE KEY-----" in text: return text',
        "no -----BEGIN RSA PRIVATE KEY----- found in the certificate",
        pem().replace("PRIVATE", "PUBLIC"),
        pem("").replace("PRIVATE KEY", "CERTIFICATE"),
        base64.b64encode(pem("").replace("PRIVATE KEY", "CERTIFICATE").encode()).decode(),
        "the PRIVATE KEY stays where it is",
    ],
)
def test_what_is_no_private_key_stays(by_name: Redactor, text: str) -> None:
    """Certificates, public keys and what is said about private ones are no secrets."""
    assert by_name.text(text) == text


@pytest.mark.parametrize("size", [1, 7, 100, 200, 10_000])
def test_stream_redacts_a_key_across_its_lines(by_name: Redactor, size: int) -> None:
    """Wherever a block ends, the lines of a key are read together, and all others one by one."""
    text = f"a\n{pem()}b api_key=x\n-----BEGIN PRIVATE KEY----- is missing\n{pem('EC ')}"
    stream = RedactedStream(by_name)
    blocks = [text.encode()[at : at + size] for at in range(0, len(text), size)]
    passed = b"".join(map(stream.feed, blocks)) + stream.finish()
    assert passed.decode() == text.replace(BODY, "REDACTED").replace("=x", "=REDACTED")
    assert stream.lines == text.count("\n")
    assert stream.rules == {"shape": 2, "name": 1}


def test_stream_waits_for_no_key_that_does_not_come(by_name: Redactor) -> None:
    """A line about private keys passes at once, as every line does."""
    line = b"-----BEGIN PRIVATE KEY----- is missing\n"
    assert RedactedStream(by_name).feed(line) == line
