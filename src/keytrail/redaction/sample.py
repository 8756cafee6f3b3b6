"""The texts of one span or record, joined so that one search covers them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from keytrail.redaction import own

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.redaction.names import SensitiveNames

_SEPARATOR: Final = "\x1f"
_PLAIN: Final = frozenset({int, float, bool, type(None)})


class Sample:
    """Collects texts; ``suspicious`` where a name alone says that something must be redacted."""

    __slots__ = ("_names", "_raw", "_texts", "suspicious")

    def __init__(self, names: SensitiveNames) -> None:
        self._names = names
        self._texts: list[str] = []
        self._raw: list[bytes] = []
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
            named = {str(name): inner for name, inner in value.items()}
            self._texts.extend(named)
            self.add_attributes(named)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for element in value:
                self.add(element)
        else:
            self._texts.append(str(value))

    def add_attributes(self, attributes: Mapping[str, Any] | None) -> None:
        """Add the values of ``attributes``, and judge their names."""
        if not attributes:
            return
        ordinary, texts = self._names.ordinary, self._texts
        for name, value in attributes.items():
            if not ordinary(name):
                self._add_named(name, value)
            elif type(value) is str:
                texts.append(value)
            else:
                self.add(value)

    def _add_named(self, name: str, value: Any) -> None:
        if own.is_known(name, value):
            return
        if name in own.HASHES or self._names.secret(name):
            self.suspicious = True
        self.add(value)

    def joined(self) -> bytes:
        """Return every text, UTF-8, each set off from the next."""
        joined = _SEPARATOR.join(self._texts).encode("utf-8", "surrogatepass")
        return b"\x1f".join((joined, *self._raw)) if self._raw else joined


def of_span(span: ReadableSpan, names: SensitiveNames) -> Sample:
    """Return the texts of a span, without those of its resource and scope."""
    sample = Sample(names)
    sample.add(span.name)
    sample.add(span.status.description)
    sample.add_attributes(_plain_dict(span.attributes))
    for event in span._events and span.events:
        sample.add(event.name)
        sample.add_attributes(event.attributes)
    for link in span._links and span.links:
        sample.add_attributes(link.attributes)
        sample.add_attributes(link.context.trace_state)
    for context in (span.get_span_context(), span.parent):
        if context is not None and context.trace_state:
            sample.add_attributes(context.trace_state)
    return sample


def of_log(record: LogRecord, names: SensitiveNames) -> Sample:
    """Return the texts of a log record."""
    sample = Sample(names)
    sample.add(record.body)
    sample.add(record.event_name)
    sample.add(record.severity_text)
    sample.add_attributes(record.attributes)
    return sample


def of_named(name: str, attributes: Mapping[str, Any] | None, names: SensitiveNames) -> Sample:
    """Return the texts of a resource, of a scope or of a measurement."""
    sample = Sample(names)
    sample.add(name)
    sample.add_attributes(attributes)
    return sample


def _plain_dict(attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a copy where one can be had at once: the SDK's own mapping is slow to walk."""
    copied = getattr(attributes, "copy", None)
    return attributes if copied is None else cast("Mapping[str, Any]", copied())
