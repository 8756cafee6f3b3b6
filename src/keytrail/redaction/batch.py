"""One export batch: what is searched for stays the same from its first item to its last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from keytrail.redaction import rebuild, sample
from keytrail.redaction.clean import Clean
from keytrail.redaction.editor import DroppingFreeText, Editor, Redacting, Withholding
from keytrail.redaction.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from keytrail.redaction.rules import Rules
    from keytrail.redaction.tally import Place

_T = TypeVar("_T")


class Batch:
    """Redacts one item at a time; a clean one is returned as the very same object.

    Every method raises what goes wrong in it: the item must then be withheld.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._moment = rules.known.now()
        self._of_ring = rules.among(self._moment.wanted(None))
        self._around: dict[int, Any] = {}

    def all_clean(self, spans: Sequence[ReadableSpan]) -> bool:
        """Tell in one search whether nothing is secret in ``spans``; a doubt is a no."""
        if not self._moment.only_ring({span.context.trace_id for span in spans}):
            return False
        texts = Sample(self._rules.names, self._moment.clean)
        resource = scope = None
        for span in spans:
            if span.resource is not resource:
                resource = span.resource
                if self._resource(resource) is not resource:
                    return False
            if span.instrumentation_scope is not scope:
                scope = span.instrumentation_scope
                if self._scope(scope) is not scope:
                    return False
            sample.of_span(span, texts)
        if texts.suspicious or self._of_ring.hinted_together(texts.joined()):
            return False
        texts.learn()
        return True

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """Return ``span``, or a redacted copy of it."""
        context = span.get_span_context()
        trace_id = None if context is None else context.trace_id
        resource, scope = self._resource(span.resource), self._scope(span.instrumentation_scope)
        return self._edited(
            span,
            partial(sample.of_span, span),
            trace_id,
            lambda editor: rebuild.span(span, editor, resource, scope),
            always=resource is not span.resource or scope is not span.instrumentation_scope,
        )

    def log(self, record: ReadableLogRecord) -> ReadableLogRecord:
        """Return ``record``, or a redacted copy of it; one with an exception object is copied."""
        resource, scope = self._resource(record.resource), self._scope(record.instrumentation_scope)
        return self._edited(
            record,
            partial(sample.of_log, record.log_record),
            record.log_record.trace_id or None,
            lambda editor: rebuild.log(record, editor, resource, scope),
            always=resource is not record.resource
            or scope is not record.instrumentation_scope
            or getattr(record.log_record, "exception", None) is not None,
        )

    def text(self, text: str, trace_id: int | None) -> str:
        """Return ``text`` redacted."""
        return self._edited(
            text,
            lambda texts: texts.add(text),
            trace_id,
            lambda editor: editor.text(text, "text"),
        )

    def attributes(
        self, attributes: Mapping[str, Any], trace_id: int | None, place: Place
    ) -> Mapping[str, Any]:
        """Return ``attributes``, or a redacted copy of them."""
        return self._edited(
            attributes,
            lambda texts: texts.add_attributes(attributes),
            trace_id,
            lambda editor: editor.attributes(attributes, place),
        )

    def _resource(self, resource: Resource) -> Resource:
        return self._once(resource, sample.of_resource, rebuild.resource)

    def _scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        return None if scope is None else self._once(scope, sample.of_scope, rebuild.scope)

    def _once(
        self, around: _T, add: Callable[[_T, Sample], None], rebuilt: Callable[[_T, Editor], _T]
    ) -> _T:
        """Return what many items have in common, redacted once: in a batch, or if clean in all."""
        clean = self._moment.clean
        if clean.holds(around):
            return around
        known: _T | None = self._around.get(id(around))
        if known is None:
            known = self._edited(
                around, partial(add, around), None, lambda editor: rebuilt(around, editor)
            )
            self._around[id(around)] = known
            if known is around:
                clean.keep(around)
        return known

    def _edited(
        self,
        item: _T,
        add: Callable[[Sample], None],
        trace_id: int | None,
        edit: Callable[[Editor], _T],
        *,
        always: bool = False,
    ) -> _T:
        """Return ``item`` where no text that ``add`` gives is secret, else what ``edit`` makes."""
        rules = self._rules
        wanted = self._moment.wanted(trace_id)
        if wanted is self._of_ring.wanted:
            secrets, clean = self._of_ring, self._moment.clean
        else:
            secrets, clean = rules.among(wanted), Clean()
        texts = Sample(rules.names, clean)
        add(texts)
        overflowed = trace_id is not None and rules.memory.overflowed(trace_id)
        if not (overflowed or texts.suspicious or secrets.hinted(texts.joined())):
            texts.learn()
            if not always:
                return item
        redacting = Redacting(rules.names, secrets, clean.names)
        editor: Editor = redacting
        if overflowed:
            editor = DroppingFreeText(redacting, Withholding(redacting.tally, "overflow"))
        edited = edit(editor)
        editor.tally.publish()
        return edited if editor.tally or always else item
