from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.cli_kit import keytrail
from keytrail.cli.app import app
from store.segment_kit import use, write
from support.cases import F1, F2, K1, PEPPER

_NEVER = (K1, K1[8:16])


@pytest.fixture(autouse=True)
def uses(home: Path) -> None:
    """Three uses of two keys."""
    write(home, use(0), use(1, key=F2, status=401, outcome="denied"), use(2, owner="acme"))


def test_a_leaked_key_is_read_from_stdin_and_never_shown() -> None:
    """Everything that it did, found by its fingerprint under the pepper in force."""
    for form in ("table", "json", "csv", "ndjson", "ocsf"):
        shown = keytrail("leak", "--format", form, stdin=K1 + "\n", KEYTRAIL_PEPPER=PEPPER)
        assert shown.returncode == 0
        assert not [key for key in _NEVER if key.encode() in shown.stdout + shown.stderr]
    answer = keytrail("leak", "--format", "json", stdin=K1, KEYTRAIL_PEPPER=PEPPER)
    found = json.loads(answer.stdout)
    assert [row["path"] for row in found["rows"]] == ["/orders/2", "/orders/0"]
    assert [row["client"] for row in found["tables"]["clients"]] == ["192.0.2.1"]
    assert [row["key"] for row in found["tables"]["other_keys"]] == [F2]


def _basic(credentials: str) -> str:
    return base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    "copied",
    [
        *(f"{K1}\r\n", f"\ufeff{K1}", f'"{K1}"', f"'{K1}',", f"Bearer {K1}", f"bearer  {K1}\n"),
        *(f"X-API-Key: {K1}", f"Authorization: Bearer {K1}", f'export API_KEY="{K1}"'),
        *(f'"api_key": "{K1}",', f"API_KEY={K1}", f"{K1},", f"<{K1}>", f"api_key => '{K1}'"),
        *(f'{{"user": "ann", "api_key": "{K1}"}}', f"curl -H 'X-API-Key: {K1}' https://h/"),
        *(f"https://h.example/p?color=blue&api_key={K1}#top", f"https://ann:{K1}@h.example/p"),
        *(f"GET /p?key={K1.replace('_', '%5F')} HTTP/1.1", f"grant=x&api_key={K1}"),
        f"https://h.example/cb#access_token={K1}",
        *(f"Authorization: Basic {_basic(f'ann:{K1}')}", f"Basic {_basic(f'{K1}:')}"),
    ],
)
def test_a_key_is_found_with_what_it_was_copied_with(
    copied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a log, a header, a URL, a command, JSON; what is shown is its fingerprint."""
    monkeypatch.setenv("KEYTRAIL_PEPPER", PEPPER)
    shown = CliRunner().invoke(app, ["keys", "--key", "-", "--format", "json"], input=copied)
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert ([row["key"] for row in found["rows"]], found["question"]["key"]) == ([F1], F1)
    assert K1 not in shown.output


def test_the_previous_pepper_finds_the_same_uses() -> None:
    """Uses from before a rotation are found by the key itself."""
    shown = keytrail(
        "uses",
        *("--key", "-", "--format", "ndjson"),
        stdin=K1,
        KEYTRAIL_PEPPER="f" * 32,
        KEYTRAIL_PREVIOUS_PEPPERS=PEPPER,
    )
    assert [json.loads(line)["path"] for line in shown.stdout.splitlines()] == [
        "/orders/2",
        "/orders/0",
    ]


def test_a_key_is_never_an_argument() -> None:
    """Exit 2, and the key is not repeated."""
    shown = keytrail("leak", K1)
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert shown.stderr.decode() == (
        "keytrail: a key is not taken as an argument: other users and the shell's history would "
        "see it\nhint: run `keytrail leak` and type it, or pipe it in\n"
    )


def test_an_unseen_key_is_told_without_being_shown() -> None:
    """No uses, and a reason that says so."""
    shown = keytrail("leak", stdin="kt_test_never_seen", KEYTRAIL_PEPPER=PEPPER, COLUMNS="80")
    assert shown.returncode == 0
    assert b"no uses: none seen since 2025-11-25 18:00:00 UTC" in shown.stdout
    assert b"never_seen" not in shown.stdout + shown.stderr


def test_usage_with_prices(tmp_path: Path) -> None:
    """Cost is a column of every row that has a price."""
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\n[[prices]]\nowner = "acme"\nper_use = 0.5\n')
    shown = CliRunner().invoke(
        app, ["usage", "--every", "all", "--prices", str(prices), "--format", "json"]
    )
    assert shown.exit_code == 0
    assert [(row["key"], row["uses"], row["cost"]) for row in json.loads(shown.stdout)["rows"]] == [
        (F1, 2, 0.5),
        (F2, 1, None),
    ]


def test_unused_keys_of_an_inventory(tmp_path: Path) -> None:
    """Idle, and in use without being listed."""
    inventory = tmp_path / "inventory.csv"
    inventory.write_text(f"fingerprint,name\n{F1},old\n")
    shown = CliRunner().invoke(
        app, ["unused", "--inventory", str(inventory), "--days", "1", "--format", "json"]
    )
    assert shown.exit_code == 0
    assert [(row["state"], row["key"]) for row in json.loads(shown.stdout)["rows"]] == [
        ("idle", F1),
        ("unlisted", F2),
    ]


def test_without_an_inventory_unused_says_what_to_give() -> None:
    """A usage error with a hint."""
    shown = keytrail("unused")
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert b"hint: name a file by KEYTRAIL_INVENTORY or --inventory" in shown.stderr


def test_flow_and_compare_answer_too() -> None:
    """The other commands, with options of their own."""
    flow = CliRunner().invoke(app, ["flow", "--format", "json"])
    assert json.loads(flow.stdout)["rows"] == []
    since = ["--since", "2025-11-25T18:00:01Z", "--until", "2025-11-25T18:00:03Z"]
    compared = CliRunner().invoke(
        app, ["compare", *since, "--by", "key", "--factor", "3", "--format", "json"]
    )
    rows = json.loads(compared.stdout)["rows"]
    assert [(row["change"], row["key"]) for row in rows] == [("new", F2), ("same", F1)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ftp://host", "no source can read 'ftp' addresses\nhint: give an address such as "),
        ("jaeger+http://", "no source can read 'jaeger+http' addresses\n"),
        ("no/profile", "this is neither an address nor a profile\n"),
        ("nobody", ": no profile of this name with a 'url'\n"),
        (
            "jaeger+http://127.0.0.1:9",
            "jaeger at 127.0.0.1:9 cannot be reached: connection refused\n",
        ),
    ],
)
def test_a_source_that_cannot_be_asked_is_told(source: str, message: str) -> None:
    """Exit 1, what, where, and the next step."""
    shown = keytrail("keys", "--from", source)
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert message in shown.stderr.decode()
    assert "Traceback" not in shown.stderr.decode()
