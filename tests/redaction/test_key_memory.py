"""The memory of raw keys: bounded, per trace and as a ring, and never shown."""

from __future__ import annotations

import copy
import pickle
import random
import time
import tracemalloc

import pytest

from keytrail.capture.key import RawKey
from keytrail.redaction import memory as memory_module
from keytrail.redaction.memory import KeyMemory
from redaction.redaction_kit import TRACE
from support.cases import F1, K1, K2


def _keys(count: int) -> list[RawKey]:
    return [RawKey(f"kt_test_{number:016d}".encode()) for number in range(count)]


def test_remembered_key_is_never_shown() -> None:
    """Neither repr, str nor format of a remembered key holds it."""
    remembered = KeyMemory().remember(RawKey(K1.encode()), F1)
    assert {repr(remembered), str(remembered), f"{remembered}"} == {"Remembered('**********')"}


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_remembered_key_cannot_leave(leave: object) -> None:
    """Pickling and copying are refused, without naming the key."""
    remembered = KeyMemory().remember(RawKey(K1.encode()), F1)
    with pytest.raises(TypeError) as refusal:
        leave(remembered)  # type: ignore[operator]
    assert K1 not in str(refusal.value)


def test_ring_keeps_the_newest() -> None:
    """The ring forgets by age; using a key again makes it new."""
    memory = KeyMemory(ring=3)
    first, second, third, fourth = (memory.remember(key, None) for key in _keys(4)[:2] * 2)
    assert (first, second) == (third, fourth)
    one, two, three, four = _keys(4)
    for key in (one, two, three, one, four):
        memory.remember(key, None)
    assert [key.reveal() for key in memory.recent()] == [
        three.reveal(),
        one.reveal(),
        four.reveal(),
    ]


def test_short_and_long_keys_stay_out_of_the_ring() -> None:
    """A short key would redact ordinary words everywhere, a long one would fill the memory."""
    memory = KeyMemory()
    memory.remember(RawKey(b"1234567"), None)
    memory.remember(RawKey(b"x" * (memory_module.LONGEST + 1)), None)
    assert memory.recent() == ()


def test_bound_keys_outlive_the_ring() -> None:
    """A flood of other keys cannot push a trace's keys out."""
    memory = KeyMemory(ring=2)
    mine = memory.remember(RawKey(K1.encode()), F1)
    memory.bind(TRACE, [mine])
    for key in _keys(10):
        memory.remember(key, None)
    assert memory.bound(TRACE) == (mine,)


def test_keys_of_one_trace_add_up() -> None:
    """Binding again keeps what was bound before, each key once."""
    memory = KeyMemory()
    one, two = (memory.remember(RawKey(key.encode()), None) for key in (K1, K2))
    memory.bind(TRACE, [one])
    memory.bind(TRACE, [one, two])
    assert memory.bound(TRACE) == (one, two)
    assert not memory.overflowed(TRACE)


def test_too_many_keys_overflow_their_trace_only() -> None:
    """A trace with more keys than fit says so, and no other."""
    memory = KeyMemory(per_trace=2)
    remembered = [memory.remember(key, None) for key in _keys(3)]
    memory.bind(TRACE, remembered)
    assert (memory.overflowed(TRACE), memory.overflowed(TRACE + 1)) == (True, False)


def test_evicted_trace_counts_as_overflowed() -> None:
    """The oldest trace gives way to newer ones, and its text is then not to be trusted."""
    memory = KeyMemory(traces=2)
    for number, key in enumerate(_keys(3), start=1):
        memory.bind(number, [memory.remember(key, None)])
    assert [memory.overflowed(number) for number in (1, 2, 3)] == [True, False, False]
    assert memory.bound(1) == ()


def test_overlong_key_overflows_its_trace() -> None:
    """A key that is too long to keep makes its trace drop free text instead."""
    memory = KeyMemory()
    memory.bind(TRACE, [memory.remember(RawKey(b"x" * 65_536), None)])
    assert memory.overflowed(TRACE)
    assert memory.bound(TRACE) == ()


def test_same_key_again_takes_no_room() -> None:
    """A key that no ring holds counts once in its trace, however often it is presented."""
    memory = KeyMemory(per_trace=2)
    for _ in range(10):
        memory.bind(TRACE, [memory.remember(RawKey(b"production"), None)])
    assert [key.reveal() for key in memory.bound(TRACE)] == [b"production"]
    assert not memory.overflowed(TRACE)


def test_bound_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, bound keys never take more bytes than allowed."""
    memory = KeyMemory()
    keys = _keys(6)
    memory.bind(1, [memory.remember(keys[0], None)])
    monkeypatch.setattr(memory_module, "MOST_BOUND_BYTES", 4 * memory.bound_bytes)
    for number, key in enumerate(keys[1:], start=2):
        memory.bind(number, [memory.remember(key, None)])
    held = [number for number in range(1, 7) if memory.bound(number)]
    assert held == [3, 4, 5, 6]
    assert [memory.overflowed(number) for number in range(1, 7)] == [True] * 2 + [False] * 4


@pytest.mark.parametrize("per_trace", [1, 8])
def test_bound_bytes_are_what_python_takes(per_trace: int) -> None:
    """The bytes that are bounded are those of the objects, not of the keys' characters alone."""
    memory = KeyMemory(ring=1)
    dice = random.Random(5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2000):
            _one_request(memory, dice, per_trace)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.8 * taken < memory.bound_bytes < 1.3 * taken


def test_memory_is_flat_once_full() -> None:
    """Requests beyond the bounds take no more bytes, however many of them come."""
    memory = KeyMemory(traces=256, ring=16)
    dice = random.Random(7)
    tracemalloc.start()
    try:
        taken = []
        for _ in range(20):
            for _ in range(1024):
                _one_request(memory, dice)
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(taken) < 1.5 * min(taken)


def _one_request(memory: KeyMemory, dice: random.Random, keys: int = 1) -> None:
    remembered = [
        memory.remember(RawKey(dice.randbytes(16).hex().encode()), dice.randbytes(32).hex())
        for _ in range(keys)
    ]
    memory.bind(dice.getrandbits(128), remembered)


@pytest.mark.parametrize(
    "word",
    [
        b"production", b"Checkout-Service", b"shop.example:8080", b"/api/v1/orders", b"203.0.113.9",
        b"application/json", b"2026-11-25 10:11:12", b"1234567890123456", b"GET /items/7",
        b"10.0.0.5:443", b"orders/42",
    ],
)  # fmt: skip
def test_what_reads_like_ordinary_text_stays_out_of_the_ring(word: bytes) -> None:
    """A caller who presents a word as a key redacts it in its own trace, not in everybody's."""
    memory = KeyMemory()
    memory.bind(7, [memory.remember(RawKey(word), None)])
    assert memory.recent() == ()
    assert [key.reveal() for key in memory.bound(7)] == [word]


@pytest.mark.parametrize(
    "key",
    [
        b"kt_test_4f9a2c7e8b1d6053", b"9c41e07a-4f9a-4c7e-8b1d-605312345678", b"shop-9c41e07a5b3d",
        b"aQxRtBnMkLpZ", b"correcthorsebatterystaple", b"\xff\x00\x01\x02k\x80\x81q1w2e3r4",
        b"kt_test+a/b=c d",
    ],
)  # fmt: skip
def test_what_looks_random_is_in_the_ring(key: bytes) -> None:
    """Keys are looked for in every text, whatever their alphabet."""
    memory = KeyMemory()
    memory.remember(RawKey(key), None)
    assert [one.reveal() for one in memory.recent()] == [key]


def test_what_reads_like_ordinary_text_is_told_in_linear_time() -> None:
    """A long key that is nearly ordinary costs no more than its length."""
    memory = KeyMemory()
    begin = time.thread_time()
    for _ in range(10):
        memory.remember(RawKey(b"ab12" * 1000 + b"x9y9z"), None)
        memory.remember(RawKey(b"-a" * 2000 + b"-a1b2c3"), None)
    assert time.thread_time() - begin < 1
