"""What is told of a batch by an endpoint that changes its mind in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

import pytest

from keytrail.journal.answer import Answer
from keytrail.journal.parting import part

REFUSES, TAKES = Answer("refused", "HTTP 400"), Answer("taken", "HTTP 200")


@pytest.mark.parametrize("uses", [1, 2, 3, 5])
@pytest.mark.parametrize("refusals", range(1, 12))
def test_an_endpoint_that_comes_back_in_the_middle_of_a_batch_gets_all_of_it(
    uses: int, refusals: int
) -> None:
    """A use that was refused while everything was is not refused for good."""
    answers = chain(repeat(REFUSES, refusals), repeat(TAKES))
    batch = list(range(uses))
    parted = part(batch, lambda _: next(answers))
    assert parted.refused == []
    taken = [use for piece, _ in parted.taken for use in piece]
    assert sorted(taken + parted.left) == batch


def test_a_use_that_is_refused_after_others_were_taken_is_refused() -> None:
    """The proof came late, and the use is sent once more before it is given up."""
    sent: list[Sequence[int]] = []

    def send(piece: Sequence[int]) -> Answer:
        sent.append(piece)
        return Answer("doubtful", "HTTP 500") if 1 in piece else TAKES

    parted = part([1, 2], send)
    assert (parted.refused, parted.left) == ([1], [])
    assert sent == [[1, 2], [1], [2], [1]]
