"""What the rounds of a benchmark say."""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.pairs import Added, Block, Comparison, Round, compare


def _round(start: float, drift: float, added: float) -> Round:
    """A round on a machine that grows slower by ``drift`` with every block."""
    blocks = [Block(start + number * drift, 0.0) for number in range(6)]
    costlier = [Block(block.request_thread + added, 0.0) for block in blocks]
    return Round(
        stock=(blocks[0], blocks[5]),
        keytrail=(costlier[1], costlier[4]),
        twin=(blocks[2], blocks[3]),
    )


def test_a_steady_drift_adds_nothing() -> None:
    """However fast a machine slows down, the difference is the one between the sides."""
    rounds = [_round(100.0, drift, 8.0) for drift in (0.0, 4.0, -2.0)]
    assert compare(rounds, attrgetter("request_thread")) == Comparison(
        stock=100.0, keytrail=Added(8.0, 8.0, 8.0), twin=Added(0.0, 0.0, 0.0)
    )


def test_medians_and_quartiles_are_of_the_rounds_differences() -> None:
    """One round that something disturbed moves the quartile, not the median."""
    rounds = [_round(100.0, 0.0, added) for added in (1.0, 2.0, 3.0, 4.0, 900.0)]
    found = compare(rounds, attrgetter("request_thread")).keytrail
    assert (found.lower, found.median, found.upper) == pytest.approx((2.0, 3.0, 4.0))
