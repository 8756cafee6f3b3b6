"""A sampler's note on the span that it decided about.

A sampler learns neither the span that comes of its decision nor that span's id; what it can choose
is the span's trace state object. A ``Verdict`` has the entries of the trace state that it stands
for, so that what goes downstream is the same, and carries keytrail's note in the process only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import get_current
from opentelemetry.trace import TraceState, get_current_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext


class Verdict(TraceState):
    """A trace state that a span of this process was given by keytrail's sampler."""

    def __init__(self, state: TraceState | None) -> None:
        super().__init__(list(state.items()) if state else None)


class Upgraded(Verdict):
    """The user's sampler dropped this span; only keytrail made it recordable."""


class DroppedCall(NamedTuple):
    """A CLIENT span that the user's sampler dropped, as it would have started."""

    name: str
    attributes: Mapping[str, Any]
    parent: SpanContext | None
    start_time: int
    """Unix nanoseconds."""


class StandIn(Verdict):
    """The span is the non-recording stand-in of an HTTP call that the user's sampler dropped.

    Most calls carry no key: what a use needs is put together only when a tap asks for it.
    """

    def __init__(
        self,
        state: TraceState | None,
        name: str,
        attributes: Mapping[str, Any],
        parent_context: Context | None,
    ) -> None:
        super().__init__(state)
        self._name = name
        self._attributes = attributes
        self._context = get_current() if parent_context is None else parent_context
        self._start_time = time.time_ns()

    @property
    def call(self) -> DroppedCall:
        """What was dropped."""
        parent = get_current_span(self._context).get_span_context()
        return DroppedCall(
            self._name,
            self._attributes,
            parent if parent.is_valid else None,
            self._start_time,
        )


def plain(state: TraceState | None) -> TraceState | None:
    """Return ``state`` without the note that a child would inherit from its parent."""
    if isinstance(state, Verdict):
        return TraceState(list(state.items()))
    return state
