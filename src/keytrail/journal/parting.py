"""What an endpoint refuses, told from what it takes: a refused batch is halved until it is clear.

That an endpoint refuses is the uses' fault only if it takes others. Proof is that it takes some of
the same batch, or, where it speaks of the content, a request with nothing in it. Without proof they
wait: a wrong URL must not empty the journal. What was refused alone before there was proof is sent
once more: the endpoint may have come back in between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keytrail.journal.answer import Answer

T = TypeVar("T")

MAX_UNPROVEN: Final = 16
"""Refusals of one batch, none of it taken, after which the endpoint is left alone."""


@dataclass(slots=True)
class Parted(Generic[T]):
    """What became of a batch."""

    taken: list[tuple[Sequence[T], Answer]] = field(default_factory=list)
    """Requests that the endpoint took, each perhaps in part."""
    refused: list[T] = field(default_factory=list)
    left: list[T] = field(default_factory=list)
    """To be sent again."""
    last: Answer | None = None
    """The last answer that was not *taken*."""

    @property
    def largest(self) -> int:
        """How many uses the largest request held that was taken."""
        return max((len(piece) for piece, _ in self.taken), default=0)


def part(batch: Sequence[T], send: Callable[[Sequence[T]], Answer]) -> Parted[T]:
    """Send ``batch``, in pieces where it is refused, and return what became of each use."""
    found: Parted[T] = Parted()
    pieces = deque([batch])
    suspects: list[T] = []
    refusals = 0
    proven = False
    while pieces and (proven or refusals < MAX_UNPROVEN):
        piece = pieces.popleft()
        answer = send(piece)
        if answer.meaning == "taken":
            found.taken.append((piece, answer))
        else:
            found.last = answer
            if answer.meaning in ("later", "closed"):
                found.left += piece
                break
            refusals += 1
            middle = len(piece) // 2
            if middle:
                pieces += [piece[:middle], piece[middle:]]
            else:
                suspects += piece
        if not proven and _is_proof(answer, refusals, send):
            proven = True
            pieces += [[suspect] for suspect in suspects]
            suspects.clear()
    found.left += [item for piece in pieces for item in piece]
    (found.refused if proven else found.left).extend(suspects)
    return found


def _is_proof(answer: Answer, refusals: int, send: Callable[[Sequence[T]], Answer]) -> bool:
    """Return whether the endpoint takes requests; one without uses is tried once for a batch."""
    if answer.meaning == "taken":
        return True
    return refusals == 1 and answer.meaning == "refused" and send([]).meaning == "taken"
