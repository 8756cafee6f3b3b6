"""The SDK's span limits: they evict the oldest attributes and cut values, ours and the user's.

Facts are never read back from a span that has such limits, and keytrail's attributes are put onto
it only where they push nothing out and are not cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span

_LONGEST = 64
"""Characters of a fingerprint; everything else that matters is shorter or bounded by its source."""
_ROOM = 24
"""Attributes that keytrail may set on one span."""
_USUAL = 128
"""The SDK's default number of attributes."""


class WholeAttributes(BoundedAttributes):
    """Attributes under the span's limits that also keep, in ``whole``, all that was set."""

    def __init__(self, limited: BoundedAttributes, start: Mapping[str, Any]) -> None:
        super().__init__(limited.maxlen, None, immutable=False, max_value_len=limited.max_value_len)
        self._dict = limited._dict
        self.dropped = limited.dropped
        self.whole: dict[str, Any] = {**limited, **start}

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.whole[key] = value

    def _set_items(self, attributes: Mapping[str, Any]) -> None:
        super()._set_items(attributes)
        self.whole.update(attributes)


def has_room(span: Span) -> bool:
    """Tell whether keytrail's attributes fit on ``span`` beside what is there, uncut."""
    limits = span._limits
    length, count = limits.max_span_attribute_length, limits.max_span_attributes
    if length is not None and length < _LONGEST:
        return False
    return count is None or count >= _USUAL or count - len(span._attributes or ()) >= _ROOM * 2


def held(span: ReadableSpan) -> dict[str, Any]:
    """Return the very dict in which a span holds its attributes.

    What is set in it is clean and has room: it needs none of the SDK's checks, and can be set when
    the span is ending and its attributes are closed to everybody else.
    """
    attributes = span._attributes
    if isinstance(attributes, BoundedAttributes):
        return attributes._dict
    return attributes if isinstance(attributes, dict) else dict(attributes or {})


def keep_whole(span: Span, start: Mapping[str, Any]) -> None:
    """Make ``span`` remember what its limits will take from it."""
    if isinstance(span._attributes, BoundedAttributes):
        span._attributes = WholeAttributes(span._attributes, start)


def whole(span: ReadableSpan, start: Mapping[str, Any]) -> dict[str, Any]:
    """Return all attributes that a span was given, from its start on, as far as they are known."""
    kept = getattr(span._attributes, "whole", None)
    return {**start, **held(span)} if kept is None else dict(kept)
