"""The one redactor of spans, logs, text and attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from keytrail import faults
from keytrail.redaction import withheld
from keytrail.redaction.batch import Batch
from keytrail.redaction.named import NamedValues
from keytrail.redaction.values import KnownValues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.names import SensitiveNames

_T = TypeVar("_T")


class Redactor:
    """Replaces what is secret by name or by value with ``REDACTED``.

    Two sources say what is secret, :class:`NamedValues` and :class:`KnownValues`: each tells in
    one search whether a text may hold anything, and only then where. What is clean is returned as
    the very same object; where redaction itself fails, the texts are withheld and the fault is
    counted. Safe in every thread.
    """

    def __init__(self, names: SensitiveNames, memory: KeyMemory) -> None:
        self._names = names
        self._memory = memory
        self._named = NamedValues(names)
        self._known = KnownValues(memory)

    def spans(self, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
        """Return the spans of one export batch, redacted; cheapest with hundreds at once."""
        return self._each(spans, Batch.span, withheld.span)

    def logs(self, batch: Sequence[ReadableLogRecord]) -> list[ReadableLogRecord]:
        """Return the log records of one export batch, redacted."""
        return self._each(batch, Batch.log, withheld.log)

    def text(self, text: str, trace_id: int | None = None) -> str:
        """Return ``text`` redacted, for the keys of a trace too where it belongs to one."""
        return self._each([text], lambda batch, one: batch.text(one, trace_id), withheld.text)[0]

    def attributes(
        self, attributes: Mapping[str, Any], trace_id: int | None = None
    ) -> Mapping[str, Any]:
        """Return ``attributes`` redacted, their names kept."""
        return self._each(
            [attributes], lambda batch, one: batch.attributes(one, trace_id), withheld.attributes
        )[0]

    def _each(
        self,
        items: Sequence[_T],
        redact: Callable[[Batch, _T], _T],
        withhold: Callable[[_T], _T],
    ) -> list[_T]:
        try:
            batch = Batch(self._names, self._named, self._memory, self._known.now())
        except Exception as error:  # noqa: BLE001 - fails closed
            faults.report("redaction.batch", error)
            return [withhold(item) for item in items]
        return [_closed(batch, item, redact, withhold) for item in items]


def _closed(
    batch: Batch, item: _T, redact: Callable[[Batch, _T], _T], withhold: Callable[[_T], _T]
) -> _T:
    try:
        return redact(batch, item)
    except Exception as error:  # noqa: BLE001 - fails closed
        faults.report("redaction.item", error)
        return withhold(item)
