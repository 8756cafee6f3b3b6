"""The one redactor of spans, logs, text and attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from keytrail import faults
from keytrail.redaction import withheld
from keytrail.redaction.batch import Batch
from keytrail.redaction.regions import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.named import NamedValues
    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.pem import PrivateKeys
    from keytrail.redaction.regions import Region
    from keytrail.redaction.rules import Rules
    from keytrail.redaction.tally import Place

_T = TypeVar("_T")
_TOGETHER: Final = 16
"""So many spans are asked for in one search: most hold nothing, and each search has its price."""
_MOST_TOGETHER: Final = 64
_FEWEST_TOGETHER: Final = 4
"""Fewer are redacted one by one."""


class Redactor:
    """Replaces what is secret by name, by shape or by value with ``REDACTED``.

    One search over all texts of an item tells whether any may hold something; only then is each
    text looked into. What is clean is returned as the very same object; where redaction itself
    fails, be it that its engine cannot be loaded, the texts are withheld and the fault is counted.
    Safe in every thread.
    """

    def __init__(
        self, names: SensitiveNames, memory: KeyMemory, shapes: Iterable[str] = ()
    ) -> None:
        """Look for ``names``, the keys of ``memory``, the listed shapes and ``shapes`` (RE2)."""
        self._rules = _loaded(names, memory, tuple(shapes))

    def spans(self, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
        """Return the spans of one export batch, redacted; cheapest with hundreds at once."""
        batch = self._batch()
        if batch is None:
            return [withheld.span(span) for span in spans]
        passed: list[ReadableSpan] = []
        together, most = _TOGETHER, _MOST_TOGETHER
        while len(passed) < len(spans):
            group = spans[len(passed) : len(passed) + together]
            if _all_clean(batch, group):
                passed += group
                together = min(2 * together, most)
            elif len(group) <= _FEWEST_TOGETHER:
                passed += [_closed(batch, span, Batch.span, withheld.span) for span in group]
            else:
                together, most = _FEWEST_TOGETHER, _TOGETHER
        return passed

    def logs(self, batch: Sequence[ReadableLogRecord]) -> list[ReadableLogRecord]:
        """Return the log records of one export batch, redacted."""
        return self._each(batch, Batch.log, withheld.log)

    def text(self, text: str, trace_id: int | None = None) -> str:
        """Return ``text`` redacted, for the keys of a trace too where it belongs to one."""
        return self._each([text], lambda batch, one: batch.text(one, trace_id), withheld.text)[0]

    def attributes(
        self,
        attributes: Mapping[str, Any],
        trace_id: int | None = None,
        place: Place = "attribute",
    ) -> Mapping[str, Any]:
        """Return ``attributes`` redacted; names stay, unless one is a key."""
        return self._each(
            [attributes],
            lambda batch, one: batch.attributes(one, trace_id, place),
            withheld.attributes,
        )[0]

    def search(self, trace_id: int | None = None) -> Callable[[bytes], list[Region]]:
        """Return what tells where the secrets of a text in any encoding are, in order, apart.

        It looks for the keys that are known now, those of a trace too where one is given.

        Raises:
            RuntimeError: the engine could not be loaded; no part of the text may pass.

        """
        rules = self._working_rules()
        secrets = rules.among(rules.known.now().wanted(trace_id))
        return lambda data: [
            one for one in secrets.regions(data) if data[one.start : one.end] != REDACTED
        ]

    def private_keys(self) -> PrivateKeys:
        """Return what finds the private keys of a text; raises as :meth:`search` does."""
        return self._working_rules().private

    def named_values(self) -> NamedValues:
        """Return what finds the values of secret names; raises as :meth:`search` does."""
        return self._working_rules().named

    def _working_rules(self) -> Rules:
        if self._rules is None:
            raise RuntimeError("redaction is not available")
        return self._rules

    def _each(
        self,
        items: Sequence[_T],
        redact: Callable[[Batch, _T], _T],
        withhold: Callable[[_T], _T],
    ) -> list[_T]:
        batch = self._batch()
        if batch is None:
            return [withhold(item) for item in items]
        return [_closed(batch, item, redact, withhold) for item in items]

    def _batch(self) -> Batch | None:
        """Return a new batch; nothing where redaction cannot work."""
        if self._rules is None:
            return None
        try:
            return Batch(self._rules)
        except Exception as error:  # noqa: BLE001 - fails closed
            faults.report("redaction.batch", error)
            return None


def _loaded(names: SensitiveNames, memory: KeyMemory, shapes: tuple[str, ...]) -> Rules | None:
    try:
        from keytrail.redaction.rules import Rules

        return Rules(names, memory, shapes)
    except Exception as error:  # noqa: BLE001 - fails closed
        faults.report("redaction.engine", error)
        return None


def _all_clean(batch: Batch, group: Sequence[ReadableSpan]) -> bool:
    try:
        return len(group) > 1 and batch.all_clean(group)
    except Exception:  # noqa: BLE001 - each span is looked at by itself then, and counted there
        return False


def _closed(
    batch: Batch, item: _T, redact: Callable[[Batch, _T], _T], withhold: Callable[[_T], _T]
) -> _T:
    try:
        return redact(batch, item)
    except Exception as error:  # noqa: BLE001 - fails closed
        faults.report("redaction.item", error)
        return withhold(item)
