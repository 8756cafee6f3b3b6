"""Rounds of blocks, and what their differences say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple


class Block(NamedTuple):
    """CPU seconds a call, averaged over one block of calls."""

    request_thread: float
    """In the thread that makes or serves the calls."""
    whole_process: float
    """In every thread, what the block left to export and to journal included."""


class Round(NamedTuple):
    """Six blocks in the order stock, keytrail, twin, twin, keytrail, stock.

    A round reads the same from both ends, so a machine that grows steadily slower or faster adds
    nothing to the difference between two of its sides.
    """

    stock: tuple[Block, Block]
    keytrail: tuple[Block, Block]
    twin: tuple[Block, Block]
    """A second stock set-up of its own: what it seems to add is the noise."""


@dataclass(frozen=True, slots=True)
class Added:
    """CPU seconds a call that a side seems to add: median of the rounds' differences."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Stock's median CPU seconds a call, and what keytrail and the twin add to it."""

    stock: float
    keytrail: Added
    twin: Added


def compare(rounds: Sequence[Round], cost: Callable[[Block], float]) -> Comparison:
    """Return what ``rounds``, two at least, say of ``cost``."""

    def mean(blocks: tuple[Block, Block]) -> float:
        return (cost(blocks[0]) + cost(blocks[1])) / 2

    return Comparison(
        stock=median(mean(one.stock) for one in rounds),
        keytrail=_added([mean(one.keytrail) - mean(one.stock) for one in rounds]),
        twin=_added([mean(one.twin) - mean(one.stock) for one in rounds]),
    )


def _added(differences: Sequence[float]) -> Added:
    lower, middle, upper = quantiles(differences, n=4, method="inclusive")
    return Added(middle, lower, upper)
