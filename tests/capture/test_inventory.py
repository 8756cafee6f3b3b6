"""The file that names keys, and never holds one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from keytrail import faults
from keytrail.capture import inventory as inventories
from keytrail.capture import inventory_file
from keytrail.capture.entry import Entry, InventoryError
from keytrail.capture.fingerprint import Peppers
from keytrail.capture.inventory import CHECK_SECONDS, LISTING_SECONDS, Inventory
from keytrail.capture.inventory_file import read_inventory
from keytrail.capture.providers import Catalogue
from keytrail.capture.reader import RequestReader, raw_key_judge
from keytrail.settings import Secret, Settings
from support.capture import PEPPERS, make_reader, make_view
from support.cases import F1, F2, K1, K2, PEPPER

TOML = f"""
[[keys]]
fingerprint = "{F1.upper()}"
name = "billing"
owner = "payments"
environment = "production"
hosts = ["API.partner.example"]
scopes = ["read", "write"]
created = 2026-01-31
expires = 2026-12-31T23:59:59+01:00
note = "left alone"

[[keys]]
id = "AKIAIOSFODNN7EXAMPLE"
provider = "aws"
revoked = 2026-06-01T00:00:00
decoy = true
"""
CSV = f"""\ufeffName,fingerprint,owner,environment,hosts,id,provider,note,scopes,created,expires,revoked,decoy
billing,{F1},payments,production,api.partner.example,,,"left, alone",read write,2026-01-31,2026-12-31T22:59:59Z,no,
,,,,,AKIAIOSFODNN7EXAMPLE,aws,,,,,2026-06-01,yes
"""  # noqa: E501
ENTRIES = (
    Entry(
        F1,
        None,
        "billing",
        "payments",
        "production",
        None,
        ("api.partner.example",),
        ("read", "write"),
        created=1769817600.0,
        expires=1798757999.0,
    ),
    Entry(None, "AKIAIOSFODNN7EXAMPLE", provider="aws", revoked=1780272000.0, decoy=True),
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
        ("a.toml", '[[keys]]\nid = "x"\nhosts = "y"', "entry 1: 'hosts' is not a list of texts"),
        ("a.toml", '[[keys]]\nid = "x"\nscopes = [1]', "entry 1: 'scopes' is not a list of texts"),
        ("a.toml", '[[keys]]\nid = "x"\nexpires = "soon"', "entry 1: 'expires' is not a date"),
        ("a.toml", '[[keys]]\nid = "x"\nexpires = 12:00:00', "entry 1: 'expires' is not a date"),
        ("a.toml", '[[keys]]\nid = "x"\nrevoked = "maybe"', "entry 1: 'revoked' is not a date"),
        ("a.csv", "id,decoy\nx,perhaps", "line 2: 'decoy' is neither true nor false"),
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


def _wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline


def _wait_until_found(inventory: Inventory, fingerprint: str) -> Entry:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        inventory.current()
        entry = inventory.find(fingerprint)
        if entry is not None:
            return entry
    raise AssertionError("the inventory was not read again")


def test_a_changed_file_is_read_again(inventory: Path) -> None:
    """Not before the interval has passed, and without a restart."""
    clock = _Clock()
    found = Inventory(inventory, clock=clock)
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
    found = Inventory(inventory, clock=clock)
    _write(inventory, "[[")
    deadline = time.monotonic() + 60
    while faults.counts().get("capture.inventory", 0) == before:
        assert time.monotonic() < deadline
        clock.now += CHECK_SECONDS
        assert found.current() == ENTRIES
    clock.now += CHECK_SECONDS
    assert found.current() == ENTRIES
    assert faults.counts()["capture.inventory"] == before + 1


def test_the_file_is_looked_at_once_an_interval_and_never_in_a_request(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests within the interval cost no system call; the one after it neither."""
    looks: list[str] = []
    state_of = inventories._state_of

    def look(path: Path) -> tuple[int, ...] | None:
        looks.append(threading.current_thread().name)
        return state_of(path)

    monkeypatch.setattr(inventories, "_state_of", look)
    clock = _Clock()
    found = Inventory(inventory, clock=clock)
    for _ in range(1000):
        found.current()
    clock.now = CHECK_SECONDS
    for _ in range(1000):
        found.current()
    _wait_until(lambda: len(looks) == 2)
    assert looks == ["keytrail-inventory"] * 2


def test_the_applications_own_list(inventory: Path) -> None:
    """A function returns the entries, and is asked again after a minute."""
    clock = _Clock()
    answers = iter(
        [
            [{"fingerprint": F1, "owner": "payments", "revoked": True}],
            [{"fingerprint": F2, "hosts": ("a.example",), "expires": datetime(2026, 1, 1)}],
        ]
    )
    found = Inventory(lambda: next(answers), clock=clock)
    assert found.entries == (Entry(F1, owner="payments", revoked=0.0),)
    clock.now = LISTING_SECONDS
    assert _wait_until_found(found, F2) == Entry(F2, hosts=("a.example",), expires=1767225600.0)


def _raises() -> list[dict[str, object]]:
    raise RuntimeError(K1)


@pytest.mark.parametrize(
    ("listing", "told"),
    [
        (_raises, "inventory not read: the callable raised RuntimeError"),
        (lambda: [{"id": "x"}, {"key": K1}], "inventory not read: inventory: entry 2: 'key' would"),
        (lambda: [K1], "inventory not read: inventory: entry 1: not a mapping of field names"),
        (lambda: None, "inventory not read: the callable raised TypeError"),
        (lambda: ({"id": str(n)} for n in count()), "inventory not read: inventory: more than 10 "),
    ],
)
def test_a_callable_that_fails_is_told_and_the_request_served(
    listing: Any, told: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted and named once, by place and never by value."""
    faults.reraise = False
    monkeypatch.setattr(inventory_file, "MAX_ENTRIES", 10)
    before = faults.counts().get("capture.inventory", 0)
    read = make_reader(inventory=listing).incoming(make_view(("x-api-key", K1.encode())))
    assert [(key.hash, key.owner) for key in read.facts.keys] == [(F1, None)]
    assert faults.counts()["capture.inventory"] == before + 1
    assert [line for line in caplog.messages if line.startswith(told)]
    assert K1[8:] not in caplog.text


def test_a_callable_that_hangs_does_not_keep_the_process_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Activation waits for a while, and no second call is made while the first one runs."""
    monkeypatch.setattr(inventories, "START_SECONDS", 0.01)
    calls: list[int] = []
    release = threading.Event()

    def hanging() -> list[dict[str, object]]:
        calls.append(1)
        release.wait(120)
        return [{"fingerprint": F1}]

    clock = _Clock()
    found = Inventory(hanging, clock=clock)
    _wait_until(lambda: bool(calls))
    for _ in range(3):
        clock.now += LISTING_SECONDS
        assert found.current() == ()
    assert calls == [1]
    release.set()
    _wait_until(lambda: found.find(F1) is not None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f'owner = "{K1}"', "entry 1: 'owner' holds a raw key"),
        (f'note = " {K1} "', "entry 1: 'note' holds a raw key"),
        (f'id = "ghp_{"a1B2" * 9}"', "entry 1: 'id' holds a raw key"),
    ],
)
def test_a_raw_key_in_any_field_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    """It is known by its shape, or by the entry's own fingerprint; the old entries would stay."""
    path = _write(tmp_path / "a.toml", f'[[keys]]\nfingerprint = "{F1}"\n{line}')
    with pytest.raises(InventoryError) as error:
        read_inventory(path, READER_IS_RAW)
    assert str(error.value).startswith(f"{path}: {problem}")
    assert K1[8:] not in str(error.value)


READER_IS_RAW = raw_key_judge(PEPPERS, Catalogue.load())


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


def test_several_previous_peppers_find_the_owner(inventory: Path) -> None:
    """The pepper before the last one is as good."""
    rotating = Peppers(Secret("n" * 32), (Secret("m" * 32), Secret(PEPPER)))
    reader = RequestReader(Settings(inventory=inventory), rotating)
    (key,) = reader.incoming(make_view(("x-api-key", K1.encode()))).facts.keys
    assert key.owner == "payments"


def test_what_the_inventory_says_of_a_keys_state_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that expires while the process runs is told from then on, though it was seen before."""
    path = _write(
        tmp_path / "keys.toml",
        f'[[keys]]\nfingerprint = "{F1}"\nexpires = 2026-06-01\nrevoked = 2026-07-01'
        f'\n[[keys]]\nfingerprint = "{F2}"\ndecoy = true\nrevoked = true',
    )
    reader = make_reader(inventory=path)
    told = []
    for now in (1780271999.0, 1780272000.0, 1782864000.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        told.append(reader.incoming(make_view(("x-api-key", K1.encode()))).facts.findings)
    assert told == [(), ("expired",), ("revoked", "expired")]
    decoy = reader.outgoing(make_view(("x-api-key", K2.encode())))
    assert decoy.facts.findings == ("decoy", "revoked")
