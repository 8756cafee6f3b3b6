"""``keytrail doctor`` reads the lists that a user keeps: the inventory and the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.cli_kit import keytrail
from keytrail.cli.checks import catalogue, inventory
from keytrail.cli.checks.check import Check
from keytrail.settings import Secret, Settings
from support.cases import F1, K1, PEPPER

CORRECT_CATALOGUE = "correct the file, or KEYTRAIL_CATALOGUE"
CORRECT_INVENTORY = "correct the file, or KEYTRAIL_INVENTORY"
STRIPE = "sk_live_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8"


def _inventory(path: Path) -> list[Check]:
    settings = Settings(pepper=Secret(PEPPER), home=path.parent, inventory=path)
    return list(inventory.checks(settings, {}))


def _catalogue(path: Path) -> list[Check]:
    return list(catalogue.checks(Settings(catalogue=path), {}))


def test_what_is_not_set_is_not_checked() -> None:
    """Both are the user's choice."""
    assert [*inventory.checks(Settings(), {}), *catalogue.checks(Settings(), {})] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys.toml", f'[[keys]]\nfingerprint = "{F1}"\nowner = "payments"\n'),
        ("keys.csv", f"fingerprint,owner\n{F1},payments\n"),
    ],
)
def test_an_inventory_that_can_be_used(name: str, text: str, tmp_path: Path) -> None:
    """It says how many keys it names."""
    path = tmp_path / name
    path.write_text(text)
    assert _inventory(path) == [Check("inventory", "ok", f"{path} names 1 keys")]


@pytest.mark.parametrize(
    ("name", "text", "says", "hint"),
    [
        ("keys.toml", "[[keys]\n", ": not TOML (at line 1, column 7)", CORRECT_INVENTORY),
        ("keys.toml", '[keys]\nid = "A"\n', ": 'keys' is not a list of tables", "write [[keys]]"),
        ("keys.toml", f'[[keys]]\nid = "A"\nnote = "{STRIPE}"', ": entry 1: 'note' holds a raw key",
         "write the output of `keytrail fingerprint` as 'fingerprint'"),
        ("keys.csv", f'id,fingerprint,note\nA,{F1},"{K1}"', ": line 2: 'note' holds a raw key",
         "write the output of `keytrail fingerprint` as 'fingerprint'"),
        ("keys.csv", "id,expires\nA,2027-01-01\nB,soon",
         ": line 3: 'expires' is not a date or time", "2026-12-31 or 2026-12-31T23:59:59Z"),
        ("keys.csv", "id\n\udcff", ": not UTF-8 text", CORRECT_INVENTORY),
    ],
)  # fmt: skip
def test_an_inventory_that_cannot_be_used_fails_by_its_place(
    name: str, text: str, says: str, hint: str, tmp_path: Path
) -> None:
    """File and entry or line, never what stands there, and the next step."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert _inventory(path) == [Check("inventory", "fail", f"{path}{says}", hint)]


def test_an_inventory_that_is_missing_or_empty(tmp_path: Path) -> None:
    """The first would name no owner, and neither does the second."""
    path = tmp_path / "keys.toml"
    assert _inventory(path) == [
        Check("inventory", "fail", f"{path}: No such file or directory", CORRECT_INVENTORY)
    ]
    path.touch()
    assert _inventory(path) == [
        Check(
            "inventory",
            "warn",
            f"{path} names no key",
            "write one [[keys]] table, or one line of CSV, for each key",
        )
    ]


def test_no_pepper_is_made_for_an_inventory(tmp_path: Path) -> None:
    """Where there is none, a raw key is told by its shape alone."""
    path = tmp_path / "keys.toml"
    path.write_text(f'[[keys]]\nid = "A"\nnote = "{STRIPE}"')
    (check,) = inventory.checks(Settings(home=tmp_path, inventory=path), {})
    assert check.says == f"{path}: entry 1: 'note' holds a raw key"
    assert list(tmp_path.iterdir()) == [path]


def test_a_catalogue_that_can_be_used(tmp_path: Path) -> None:
    """It says how many providers it adds."""
    path = tmp_path / "providers.toml"
    path.write_text('[[providers]]\nprovider = "acme"\npattern = "acme_[0-9]{9}"\n')
    assert _catalogue(path) == [Check("catalogue", "ok", f"{path} adds 1 providers")]


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("x = \n", ": not TOML (at line 1, column 5)", CORRECT_CATALOGUE),
        ("\udcff", ": not UTF-8 text", CORRECT_CATALOGUE),
        ("providers = 1", ": 'providers' is not a list", "write [[providers]]"),
        ('[[providers]]\nprovider = "a"\npattern = "a("', ": provider 1: 'pattern' is not an RE2 "
         "pattern", None),
        ('[[providers]]\nhosts = ["a.example"]', ": provider 1: 'provider' is missing", None),
    ],
)  # fmt: skip
def test_a_catalogue_that_cannot_be_used_fails_by_its_place(
    text: str, says: str, hint: str | None, tmp_path: Path
) -> None:
    """File and entry, and the next step: the fields, where one of them is wrong."""
    path = tmp_path / "providers.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    (check,) = _catalogue(path)
    assert (check.name, check.state, check.says) == ("catalogue", "fail", f"{path}{says}")
    assert check.hint == hint or str(check.hint).startswith("the fields are provider, hosts")


def test_both_are_told_by_the_command(home: Path, tmp_path: Path) -> None:
    """A broken catalogue keeps nobody from reading the inventory; no value is printed."""
    keys, providers = tmp_path / "keys.csv", tmp_path / "providers.toml"
    keys.write_text(f"id,secret\nA,{STRIPE}\n")
    providers.write_text(f'providers = "{STRIPE}')
    shown = keytrail(
        *("doctor", "--format", "json"),
        KEYTRAIL_PEPPER=PEPPER,
        KEYTRAIL_INVENTORY=str(keys),
        KEYTRAIL_CATALOGUE=str(providers),
    )
    found = {check["name"]: check for check in json.loads(shown.stdout)["checks"]}
    assert shown.returncode == 1
    assert found["inventory"]["says"] == f"{keys}: line 2: 'secret' would hold a raw key"
    assert found["catalogue"]["says"].startswith(f"{providers}: not TOML")
    assert STRIPE.encode() not in shown.stdout + shown.stderr
