"""The file that names keys, and never holds one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from keytrail import faults
from keytrail.capture.fingerprint import Peppers
from keytrail.capture.inventory import (
    CHECK_SECONDS,
    Entry,
    Inventory,
    InventoryError,
    read_inventory,
)
from keytrail.capture.reader import RequestReader
from keytrail.settings import Secret, Settings
from support.capture import make_reader, make_view
from support.cases import F1, F2, K1, K2, PEPPER

TOML = f"""
[[keys]]
fingerprint = "{F1.upper()}"
name = "billing"
owner = "payments"
environment = "production"
hosts = ["API.partner.example"]
note = "left alone"

[[keys]]
id = "AKIAIOSFODNN7EXAMPLE"
provider = "aws"
"""
CSV = f"""\ufeffName,fingerprint,owner,environment,hosts,id,provider,note
billing,{F1},payments,production,api.partner.example,,,"left, alone"
,,,,,AKIAIOSFODNN7EXAMPLE,aws
"""
ENTRIES = (
    Entry(F1, None, "billing", "payments", "production", None, ("api.partner.example",)),
    Entry(None, "AKIAIOSFODNN7EXAMPLE", None, None, None, "aws", ()),
)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The inventory of this file's tests."""
    return _write(tmp_path / "keys.toml", TOML)


@pytest.mark.parametrize(("name", "text"), [("keys.toml", TOML), ("keys.csv", CSV)])
def test_both_formats_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    """TOML and CSV give equal entries; unknown fields are left alone."""
    assert read_inventory(_write(tmp_path / name, text)) == ENTRIES


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", f'[[keys]]\nkey = "{K1}"', "entry 1: 'key' would hold a raw key"),
        (
            "a.toml",
            f'[[keys]]\nid = "x"\n[[keys]]\nfingerprint = "{K1}"',
            "entry 2: 'fingerprint' is not 64 hex digits",
        ),
        ("a.toml", '[[keys]]\nname = "x"', "entry 1: neither 'fingerprint' nor 'id'"),
        ("a.toml", f'[[keys]]\nid = "{"i" * 129}"', "entry 1: 'id' is longer than 128 characters"),
        ("a.toml", "[[keys]]\nid = 7", "entry 1: 'id' is not a text"),
        ("a.toml", '[[keys]]\nid = "x"\nhosts = "y"', "entry 1: 'hosts' is not a list of host"),
        ("a.toml", 'keys = "x"', "'keys' is not a list of tables"),
        ("a.toml", f'[[keys]]\nid = "x" {K1}', "not TOML (at line 2, column "),
        ("a.csv", f"name,key\nx,{K1}", "line 2: 'key' would hold a raw key"),
        ("a.csv", f"id,fingerprint\nx,\ny,{K1}", "line 3: 'fingerprint' is not 64 hex digits"),
        ("a.csv", "name\nx", "line 2: neither 'fingerprint' nor 'id'"),
        ("a.csv", "id\n" + "x" * 200_000, "after line 1: not CSV"),
    ],
)
def test_what_cannot_be_used_is_refused_by_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    """The error names file and line or entry, never a value."""
    path = _write(tmp_path / name, text)
    with pytest.raises(InventoryError) as error:
        read_inventory(path)
    assert str(error.value).startswith(f"{path}: {problem}")
    assert K1[8:] not in str(error.value)


@pytest.mark.parametrize("name", ["a.toml", "a.csv"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    """Bytes that are no UTF-8 are told as such, and so is a file that is not there."""
    path = tmp_path / name
    with pytest.raises(InventoryError, match="No such file or directory"):
        read_inventory(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InventoryError, match="not UTF-8 text"):
        read_inventory(path)


def test_a_key_is_found_by_fingerprint_then_by_public_id(inventory: Path) -> None:
    """What the inventory does not name is ``None``."""
    found = Inventory(inventory)
    assert found.find(F1) == ENTRIES[0]
    assert found.find(F2, "AKIAIOSFODNN7EXAMPLE") == ENTRIES[1]
    assert found.find(F1, "AKIAIOSFODNN7EXAMPLE") == ENTRIES[0]
    assert found.find(F2, "AKIA") is None
    assert found.find("AKIAIOSFODNN7EXAMPLE") is None
    assert Inventory(None).find(F1) is None


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _wait_until_found(inventory: Inventory, fingerprint: str) -> Entry:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        inventory.current()
        entry = inventory.find(fingerprint)
        if entry is not None:
            return entry
    raise AssertionError("the inventory was not read again")


def test_a_changed_file_is_read_again(inventory: Path) -> None:
    """Not before the interval has passed, and without a restart."""
    clock = _Clock()
    found = Inventory(inventory, clock)
    _write(inventory, f'[[keys]]\nfingerprint = "{F2}"\nname = "new"')
    assert found.find(F2) is None
    clock.now = CHECK_SECONDS
    assert _wait_until_found(found, F2) == Entry(F2, None, "new")
    assert found.entries == (Entry(F2, None, "new"),)


def test_a_file_that_became_unusable_leaves_the_old_entries(inventory: Path) -> None:
    """The fault is counted, once for the change."""
    faults.reraise = False
    before = faults.counts().get("capture.inventory", 0)
    clock = _Clock()
    found = Inventory(inventory, clock)
    _write(inventory, "[[")
    deadline = time.monotonic() + 10
    while faults.counts().get("capture.inventory", 0) == before:
        assert time.monotonic() < deadline
        clock.now += CHECK_SECONDS
        assert found.current() == ENTRIES
    clock.now += CHECK_SECONDS
    assert found.current() == ENTRIES
    assert faults.counts()["capture.inventory"] == before + 1


def test_the_file_is_looked_at_once_an_interval(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests within the interval cost no system call."""
    clock = _Clock()
    found = Inventory(inventory, clock)
    looks: list[Path] = []
    stat = os.stat

    def look(path: Path) -> os.stat_result:
        looks.append(path)
        return stat(path)

    monkeypatch.setattr(os, "stat", look)
    for _ in range(1000):
        found.current()
    clock.now = CHECK_SECONDS
    for _ in range(1000):
        found.current()
    assert looks == [inventory]


def test_a_reader_names_the_owner(inventory: Path) -> None:
    """Name, owner and environment come from the inventory; our own keys have provider ``self``."""
    read = make_reader(inventory=inventory).incoming(make_view(("x-api-key", K1.encode())))
    (key,) = read.facts.keys
    assert (key.name, key.owner, key.environment) == ("billing", "payments", "production")
    assert key.provider == "self"


def test_a_key_that_the_inventory_ties_to_hosts(inventory: Path) -> None:
    """Seen on the way to any other host it is a finding."""
    reader = make_reader(inventory=inventory)
    right = reader.outgoing(make_view(("x-api-key", K1.encode()), host="api.partner.example"))
    wrong = reader.outgoing(make_view(("x-api-key", K1.encode()), host="evil.example"))
    assert (right.facts.findings, right.facts.host_expected) == ((), None)
    assert (wrong.facts.findings, wrong.facts.host_expected) == (
        ("wrong_host",),
        "api.partner.example",
    )
    assert wrong.facts.keys[0].provider is None


def test_during_a_rotation_the_earlier_fingerprint_still_finds_the_owner(inventory: Path) -> None:
    """An inventory that was written under the previous pepper stays good."""
    rotating = Peppers(Secret("n" * 32), (Secret(PEPPER),))
    reader = RequestReader(Settings(inventory=inventory), rotating)
    (key,) = reader.incoming(make_view(("x-api-key", K1.encode()))).facts.keys
    assert (key.previous_hash, key.owner) == (F1, "payments")
    (other,) = reader.incoming(make_view(("x-api-key", K2.encode()))).facts.keys
    assert (other.previous_hash, other.owner) == (F2, None)
