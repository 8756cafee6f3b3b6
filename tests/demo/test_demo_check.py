"""The demo's checks notice what they are there for."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from keytrail.demo import check
from keytrail.demo.cast import assemble
from keytrail.demo.check import Counted
from keytrail.demo.load import Answered
from keytrail.demo.plan import stolen
from keytrail.settings import Secret
from keytrail.sources import Completeness

if TYPE_CHECKING:
    from pathlib import Path

KEY = "kt_test_4f9a2c7e8b1d6053"
FINGERPRINT = "547402dd407ed343391f3c8296d9c175994da0f20904bb3fb2911e89d77c6a1e"
USE = {"service": "orders", "direction": "incoming", "key": FINGERPRINT, "status": 200}
TOLD = {"direction": "incoming", "key": FINGERPRINT, "uses": 1}


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        KEY[-8:],
        quote(KEY, safe=""),
        "".join(f"%{letter:02X}" for letter in KEY.encode()),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f":{KEY}".encode()).decode(),
        base64.b64encode(f"me:{KEY}!".encode()).decode(),
    ],
)
def test_a_key_is_found_in_every_spelling(spelling: str, tmp_path: Path) -> None:
    """In a file and in what was printed."""
    (tmp_path / "orders.log").write_text(f"before {spelling} after")
    assert check.raw_keys(tmp_path, f"«{spelling}»", [Secret(KEY)]) == [
        f"{tmp_path / 'orders.log'} holds a raw key, or a part of one",
        "what was printed holds a raw key, or a part of one",
    ]


def test_what_may_be_shown_of_a_key_is_no_finding(tmp_path: Path) -> None:
    """A prefix and a fingerprint are not the key."""
    (tmp_path / "inventory.toml").write_text(f"kt_test_ {FINGERPRINT}")
    assert check.raw_keys(tmp_path, FINGERPRINT[:12], [Secret(KEY)]) == []


def test_equal_counts_are_no_difference() -> None:
    """What was sent was recorded, and told."""
    sent = Counter({Counted("orders", "incoming", FINGERPRINT, 200): 1})
    assert check.differences(sent, [USE], [TOLD]) == []


def test_a_missing_use_is_named() -> None:
    """By service, direction, key and status."""
    sent = Counter({Counted("orders", "incoming", FINGERPRINT, 200): 2})
    assert check.differences(sent, [USE], [{**TOLD, "uses": 2}]) == [
        "orders, incoming, key 547402dd407e, status 200: 1 recorded, 2 sent"
    ]


def test_a_use_that_nobody_sent_is_named() -> None:
    """Also where no key was presented."""
    keyless = {**USE, "key": None, "status": 401}
    assert check.differences(Counter(), [keyless], []) == [
        "orders, incoming, key none, status 401: 1 recorded, 0 sent"
    ]


def test_a_key_that_the_table_counts_wrongly_is_named() -> None:
    """Even if every single use is there."""
    sent = Counter({Counted("orders", "incoming", FINGERPRINT, 200): 1})
    assert check.differences(sent, [USE], [{**TOLD, "uses": 3}]) == [
        "incoming, key 547402dd407e: 3 told, 1 sent"
    ]


def test_a_report_that_is_not_exact_says_why() -> None:
    """The reasons are those of the source."""
    bounded = Completeness("bounded", 1, 2, ("one segment could not be read",))
    assert check.incomplete(bounded) == [
        "the report is bounded",
        "one segment could not be read",
    ]
    assert check.incomplete(Completeness("exact", 1, 2)) == []


def test_an_order_is_expected_downstream_too() -> None:
    """A charged order is one use of the customer's key and four of ours, a declined one as well."""
    players = assemble()
    names = {
        players.leaked.key: "customer",
        players.warehouse_key: "warehouse",
        players.payments_key: "payments",
        players.shipping_key: "shipping",
    }
    order = stolen(players)[-1]
    expected = check.expected_uses(
        [Answered(order, 201), Answered(order, 402), Answered(order, 429)],
        players,
        lambda key: names.get(key, "other"),
    )
    assert expected == Counter(
        {
            Counted("orders", "incoming", "customer", 201): 1,
            Counted("orders", "incoming", "customer", 402): 1,
            Counted("orders", "incoming", "customer", 429): 1,
            Counted("orders", "outgoing", "warehouse", 201): 2,
            Counted("warehouse", "incoming", "warehouse", 201): 2,
            Counted("warehouse", "outgoing", "shipping", 200): 2,
            Counted("orders", "outgoing", "payments", 200): 1,
            Counted("orders", "outgoing", "payments", 402): 1,
        }
    )
