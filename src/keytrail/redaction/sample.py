"""The texts of one span or record, joined so that one search covers them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from keytrail.redaction import own

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from keytrail.redaction.names import SensitiveNames

_STACKTRACE: Final = "exception.stacktrace"
_SEPARATOR: Final = "\x1f"
_PLAIN: Final = frozenset({int, float, bool, type(None)})


class Sample:
    """Collects texts; ``suspicious`` where a name alone says that something must be redacted.

    Attribute names, and the frames of stack traces, repeat from span to span: those in ``clean``
    are left out, the others stand in ``repeating``.
    """

    __slots__ = ("_clean", "_names", "_raw", "_texts", "repeating", "suspicious")

    def __init__(self, names: SensitiveNames, clean: AbstractSet[str] = frozenset()) -> None:
        self._names = names
        self._clean = clean
        self._texts: list[str] = []
        self._raw: list[bytes] = []
        self.repeating: list[str] = []
        self.suspicious = False

    def add(self, value: Any) -> None:
        """Add a value of any type."""
        kind = type(value)
        if kind is str:
            self._texts.append(value)
        elif kind in _PLAIN:
            return
        elif kind is tuple or kind is list:
            for element in value:
                self.add(element)
        elif isinstance(value, bytes | bytearray):
            self._raw.append(bytes(value))
        elif isinstance(value, Mapping):
            self.add_attributes({str(name): inner for name, inner in value.items()})
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for element in value:
                self.add(element)
        else:
            self._texts.append(str(value))

    def add_attributes(self, attributes: Mapping[str, Any] | None) -> None:
        """Add names and values of ``attributes``, and judge their names."""
        if not attributes:
            return
        texts, clean = self._texts, self._clean
        for name, value in attributes.items():
            if name not in clean:
                self._add_named(name, value)
            elif type(value) is str:
                texts.append(value)
            elif type(value) not in _PLAIN:
                self.add(value)

    def _add_named(self, name: str, value: Any) -> None:
        if name == _STACKTRACE and type(value) is str:
            self._add_trace(value)
        elif self._names.ordinary(name):
            self.repeating.append(name)
            self.add(value)
        elif not own.is_known(name, value):
            if name in own.HASHES or self._names.secret(name):
                self.suspicious = True
            self._texts.append(name)
            self.add(value)

    def _add_trace(self, trace: str) -> None:
        """Add a stack trace in two parts: its last line says what was different this time."""
        frames, _, last = trace.rstrip().rpartition("\n")
        if frames not in self._clean:
            self.repeating.append(frames)
        self._texts.append(last)

    def joined(self) -> bytes:
        """Return every text, UTF-8, each set off from the next."""
        texts = [*self._texts, *self.repeating]
        joined = _SEPARATOR.join(texts).encode("utf-8", "surrogatepass")
        return b"\x1f".join((joined, *self._raw)) if self._raw else joined


def of_span(span: ReadableSpan, sample: Sample) -> None:
    """Add the texts of a span, without those of its resource and scope."""
    sample.add(span.name)
    if span.status.description:
        sample.add(span.status.description)
    sample.add_attributes(_plain_dict(span.attributes))
    if span._events:
        for event in span.events:
            sample.add(event.name)
            sample.add_attributes(_plain_dict(event.attributes))
    if span._links:
        for link in span.links:
            sample.add_attributes(link.attributes)
            sample.add_attributes(link.context.trace_state)
    for context in (span.context, span.parent):
        if context is not None and context.trace_state:
            sample.add_attributes(context.trace_state)


def of_log(record: LogRecord, sample: Sample) -> None:
    """Add the texts of a log record."""
    sample.add(record.body)
    sample.add(record.event_name)
    sample.add(record.severity_text)
    sample.add_attributes(record.attributes)


def of_resource(resource: Resource, sample: Sample) -> None:
    """Add the texts of a resource."""
    sample.add(resource.schema_url)
    sample.add_attributes(resource.attributes)


def of_scope(scope: InstrumentationScope, sample: Sample) -> None:
    """Add the texts of an instrumentation scope."""
    for text in (scope.name, scope.version, scope.schema_url):
        sample.add(text)
    sample.add_attributes(scope.attributes)


def _plain_dict(attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a copy where one can be had at once: the SDK's own mapping is slow to walk."""
    copied = getattr(attributes, "copy", None)
    return attributes if copied is None else cast("Mapping[str, Any]", copied())
