"""A sampler's note on the span that it decided about.

A sampler learns neither the span that comes of its decision nor that span's id; what it can choose
is the span's trace state object. A ``Verdict`` has the entries of the trace state that it stands
for, so that what goes downstream is the same, and carries keytrail's note in the process only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import TraceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import SpanContext


class Verdict(TraceState):
    """A trace state that a span of this process was given by keytrail's sampler."""

    def __init__(self, state: TraceState | None) -> None:
        super().__init__(list(state.items()) if state else None)


class Upgraded(Verdict):
    """The user's sampler dropped this span; only keytrail made it recordable."""


@dataclass(frozen=True, slots=True)
class DroppedCall:
    """A CLIENT span that the user's sampler dropped, as it would have started."""

    name: str
    attributes: Mapping[str, Any]
    parent: SpanContext | None
    start_time: int
    """Unix nanoseconds."""


class StandIn(Verdict):
    """The span is the non-recording stand-in of an HTTP call that the user's sampler dropped."""

    def __init__(
        self,
        state: TraceState | None,
        name: str,
        attributes: Mapping[str, Any],
        parent: SpanContext | None,
    ) -> None:
        super().__init__(state)
        self.call = DroppedCall(name, attributes, parent, time.time_ns())


def plain(state: TraceState | None) -> TraceState | None:
    """Return ``state`` without the note that a child would inherit from its parent."""
    if isinstance(state, Verdict):
        return TraceState(list(state.items()))
    return state
