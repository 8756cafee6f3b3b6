"""The demo, played for real with few requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 200
KEYTRAIL = (sys.executable, "-c", "from keytrail.cli import main; main()")
STOLEN = [
    ("GET", "/orders", 200),
    ("GET", "/orders/1003", 200),
    ("GET", "/orders/1", 404),
    *[("GET", "/exports/cardholders", 200)] * 4,
    *[("GET", "/exports/orders", 200)] * 4,
    ("POST", "/orders", 201),
    ("POST", "/orders", 402),
]


def keytrail(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        [*KEYTRAIL, *arguments], capture_output=True, text=True, timeout=280, env=environment
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stage")


@pytest.fixture(scope="module")
def played(directory: Path) -> subprocess.CompletedProcess[str]:
    return keytrail("demo", "--dir", str(directory), "--requests", str(REQUESTS))


def test_the_demo_finds_every_request_in_its_report(
    played: subprocess.CompletedProcess[str],
) -> None:
    """A run without a missing use exits with 0 and says what it has compared."""
    assert (played.returncode, played.stderr.count("keytrail:")) == (0, 0), played.stderr
    assert "200 requests sent, 200 recorded: equal for every key and status" in played.stdout
    assert "no raw key, nor a part of one, in any file left behind" in played.stdout


def test_the_demo_tells_the_story_of_the_leaked_key(
    played: subprocess.CompletedProcess[str], directory: Path
) -> None:
    """The page names the key's owner, the old and the new addresses, and how to ask for more."""
    story = played.stdout.partition("One of these keys was leaked")[2]
    for told in ("Corvo Coffee", "198.51.100.18", "198.51.100.19", "203.0.113.77", "13 calls in"):
        assert told in story
    assert f"--client 203.0.113.77 --home {directory / 'home'}" in story


def test_a_page_that_is_no_terminal_has_no_escapes(
    played: subprocess.CompletedProcess[str],
) -> None:
    """What goes into a file or a pipe is text alone."""
    assert "\x1b" not in played.stdout + played.stderr


def test_the_journal_stays_to_be_asked(
    played: subprocess.CompletedProcess[str], directory: Path
) -> None:
    """The command that the demo ends with gives every call of the thief."""
    assert played.returncode == 0
    asked = keytrail(
        *("uses", "--client", "203.0.113.77", "--format", "json"),
        *("--home", str(directory / "home")),
    )
    rows = json.loads(asked.stdout)["rows"]
    assert sorted((row["method"], row["path"], row["status"]) for row in rows) == sorted(STOLEN)
    assert {(row["owner"], row["service"]) for row in rows} == {("Corvo Coffee", "orders")}


def test_our_own_keys_are_followed_to_the_paid_api(
    played: subprocess.CompletedProcess[str], directory: Path
) -> None:
    """The key that has a provider's shape is shown with its provider, going out."""
    assert played.returncode == 0
    asked = keytrail(
        *("keys", "--provider", "stripe", "--format", "json"),
        *("--home", str(directory / "home")),
    )
    (key,) = json.loads(asked.stdout)["rows"]
    assert (key["key_name"], key["direction"]) == ("payments", "outgoing")


def test_the_demo_leaves_only_its_own_files(
    played: subprocess.CompletedProcess[str], directory: Path
) -> None:
    """Journal and pepper, inventory and the services' logs; nothing that anybody else may read."""
    assert played.returncode == 0
    assert sorted(path.name for path in directory.iterdir()) == ["home", "inventory.toml", "logs"]
    assert (directory / "home").stat().st_mode & 0o077 == 0


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    """The demo empties what an earlier demo left, and nothing else."""
    (tmp_path / "thesis.txt").write_text("mine")
    refused = keytrail("demo", "--dir", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"keytrail: {tmp_path} is not empty, and not from an earlier demo\n"
        "hint: name another directory with --dir\n"
    )
    assert (tmp_path / "thesis.txt").read_text() == "mine"
