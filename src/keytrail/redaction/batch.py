"""One export batch: what is searched for stays the same from its first item to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from keytrail.redaction import rebuild, sample
from keytrail.redaction.editor import DroppingFreeText, Editor, Redacting, Withholding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.named import NamedValues
    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.regions import Source
    from keytrail.redaction.sample import Sample
    from keytrail.redaction.values import Moment

_T = TypeVar("_T")


class Batch:
    """Redacts one item at a time; a clean one is returned as the very same object.

    Every method raises what goes wrong in it: the item must then be withheld.
    """

    def __init__(
        self, names: SensitiveNames, named: NamedValues, memory: KeyMemory, moment: Moment
    ) -> None:
        self._names = names
        self._named = named
        self._memory = memory
        self._moment = moment
        self._around: dict[int, Any] = {}

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """Return ``span``, or a redacted copy of it."""
        context = span.get_span_context()
        trace_id = None if context is None else context.trace_id
        resource, scope = self._resource(span.resource), self._scope(span.instrumentation_scope)
        return self._edited(
            span,
            sample.of_span(span, self._names),
            trace_id,
            lambda editor: rebuild.span(span, editor, resource, scope),
            always=resource is not span.resource or scope is not span.instrumentation_scope,
        )

    def log(self, record: ReadableLogRecord) -> ReadableLogRecord:
        """Return ``record``, or a redacted copy of it."""
        resource, scope = self._resource(record.resource), self._scope(record.instrumentation_scope)
        return self._edited(
            record,
            sample.of_log(record.log_record, self._names),
            record.log_record.trace_id or None,
            lambda editor: rebuild.log(record, editor, resource, scope),
            always=resource is not record.resource or scope is not record.instrumentation_scope,
        )

    def text(self, text: str, trace_id: int | None) -> str:
        """Return ``text`` redacted."""
        texts = sample.of_named(text, None, self._names)
        return self._edited(text, texts, trace_id, lambda editor: editor.text(text, "text"))

    def attributes(self, attributes: Mapping[str, Any], trace_id: int | None) -> Mapping[str, Any]:
        """Return ``attributes``, or a redacted copy of them."""
        texts = sample.of_named("", attributes, self._names)
        return self._edited(
            attributes, texts, trace_id, lambda editor: editor.attributes(attributes, "attribute")
        )

    def _resource(self, resource: Resource) -> Resource:
        known: Resource | None = self._around.get(id(resource))
        if known is None:
            texts = sample.of_named("", resource.attributes, self._names)
            known = self._edited(resource, texts, None, lambda e: rebuild.resource(resource, e))
            self._around[id(resource)] = known
        return known

    def _scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        if scope is None:
            return None
        known: InstrumentationScope | None = self._around.get(id(scope))
        if known is None:
            texts = sample.of_named(scope.name, scope.attributes, self._names)
            known = self._edited(scope, texts, None, lambda e: rebuild.scope(scope, e))
            self._around[id(scope)] = known
        return known

    def _edited(
        self,
        item: _T,
        texts: Sample,
        trace_id: int | None,
        edit: Callable[[Editor], _T],
        *,
        always: bool = False,
    ) -> _T:
        """Return ``item`` where nothing in it is secret, else what ``edit`` makes of it."""
        sources: tuple[Source, ...] = (self._named, self._moment.wanted(trace_id))
        data = texts.joined()
        overflowed = trace_id is not None and self._memory.overflowed(trace_id)
        suspicious = texts.suspicious or overflowed
        if not (suspicious or always or any(source.hinted(data) for source in sources)):
            return item
        redacting = Redacting(self._names, sources)
        editor: Editor = redacting
        if overflowed:
            editor = DroppingFreeText(redacting, Withholding(redacting.tally, "overflow"))
        edited = edit(editor)
        editor.tally.publish()
        return edited if editor.tally or always else item
