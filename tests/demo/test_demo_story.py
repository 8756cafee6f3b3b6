"""The theft as it is read out of a journal."""

from __future__ import annotations

from keytrail.demo.story import Address, StolenCall, Theft, theft


def use(time: int, client: str, trace: str = "t", key: str = "leaked") -> dict[str, object]:
    return {
        "time": time,
        "key": key,
        "key_name": "corvo",
        "owner": "Corvo Coffee",
        "direction": "incoming",
        "client": client,
        "user_agent": "curl/8" if client == "203.0.113.77" else "erp/2",
        "trace_id": trace,
    }


def test_the_address_that_came_last_is_the_new_one() -> None:
    """Its calls are told in order, each with what it caused downstream; others' are left out."""
    usual, other = use(1, "198.51.100.18"), use(2, "198.51.100.30", key="another")
    first, second = use(3, "203.0.113.77", "a"), use(5, "203.0.113.77", "b")
    spent = {**use(4, ""), "direction": "outgoing", "key": "ours", "trace_id": "a"}
    elsewhere = {**spent, "trace_id": "c"}

    assert theft("leaked", [second, elsewhere, spent, first, other, usual]) == Theft(
        key="leaked",
        name="corvo",
        owner="Corvo Coffee",
        usual=(Address("198.51.100.18", 1, 1, ("erp/2",)),),
        new=Address("203.0.113.77", 2, 3, ("curl/8",)),
        calls=(StolenCall(first, (spent,)), StolenCall(second, ())),
    )
