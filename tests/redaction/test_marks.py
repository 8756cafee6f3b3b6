"""Marks on trace ids: none forgotten within their span, in a fixed number of bytes."""

from __future__ import annotations

import os
import random

import pytest

from keytrail.redaction.marks import Marks

SPAN = int(os.environ.get("KEYTRAIL_MARKS", "20000"))


@pytest.mark.parametrize("spread", [1, 1 << 64, 1 << 100, (1 << 61) - 1])
def test_newest_marks_are_never_forgotten(spread: int) -> None:
    """At every moment the last ids are known, be they in sequence or mostly alike."""
    marks = Marks(64)
    for number in range(1, 1000):
        marks.add(number * spread)
        assert all(one * spread in marks for one in range(max(1, number - 63), number + 1))


def test_old_marks_make_room() -> None:
    """What came long before is forgotten, and the tables stay as large as they were."""
    marks = Marks(64)
    before = marks.size
    for number in range(1000):
        marks.add(number)
    assert sum(number in marks for number in range(800)) < 8
    assert marks.size == before == 512


def test_marking_again_takes_no_room() -> None:
    """Whoever overflows one trace a thousand times pushes no other mark out."""
    marks = Marks(64)
    for number in (1, *[2] * 1000, *range(3, 64)):
        marks.add(number)
    assert all(number in marks for number in range(1, 64))


def test_few_others_are_taken_for_marked() -> None:
    """With both tables full less than one in five thousand ids is taken for a marked one."""
    marks = Marks(SPAN)
    dice = random.Random(11)
    for _ in range(2 * SPAN):
        marks.add(dice.getrandbits(128))
    wrong = sum(dice.getrandbits(128) in marks for _ in range(4 * SPAN))
    assert wrong <= 4 * SPAN / 5000


def test_size_is_known_beforehand() -> None:
    """A million marks take 8 MiB."""
    assert Marks(2**20).size == 8 * 2**20
