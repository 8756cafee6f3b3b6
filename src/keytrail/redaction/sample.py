"""The texts of one span or record, joined so that one search covers them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util import BoundedList

from keytrail import semconv
from keytrail.redaction import own

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from keytrail.redaction.clean import Clean
    from keytrail.redaction.names import SensitiveNames

_STACKTRACE: Final = "exception.stacktrace"
_TELLING: Final = 200
"""Characters at the end of frames by which they are found again, and then compared."""
_SEPARATOR: Final = "\x1f"
_PLAIN: Final = frozenset({int, float, bool, type(None)})


class Sample:
    """Collects texts; ``suspicious`` where a name alone says that something must be redacted.

    Names of attributes, and the frames of stack traces, repeat from span to span: what is ``clean``
    is left out.
    """

    __slots__ = (
        "_clean",
        "_frames",
        "_names",
        "_ordinary",
        "_raw",
        "_sets",
        "_texts",
        "suspicious",
    )

    def __init__(self, names: SensitiveNames, clean: Clean) -> None:
        self._names = names
        self._clean = clean
        self._texts: list[Any] = []
        """Texts; beside them, rarely, what else a sequence holds."""
        self._raw: list[bytes] = []
        self._ordinary: list[str] = []
        self._sets: dict[tuple[str, ...], int] = {}
        self._frames: dict[tuple[int, str], str] = {}
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
        plain: Mapping[str, Any] = attributes
        if type(attributes) is BoundedAttributes:
            plain = attributes._dict  # ten times as fast to walk
        names = tuple(plain)
        trace = self._clean.sets.get(names)
        if trace is None:
            self._add_named(names, plain)
        elif trace < 0:
            self._add_values(plain.values())
        else:
            values = [*plain.values()]
            values[trace] = self._unknown_of(values[trace])
            self._add_values(values)

    def _add_values(self, values: Iterable[Any]) -> None:
        texts = self._texts
        for value in values:
            kind = type(value)
            if kind is str:
                texts.append(value)
            elif kind is tuple:
                texts += value
            elif kind not in _PLAIN:
                self.add(value)

    def _add_named(self, names: tuple[str, ...], attributes: Mapping[str, Any]) -> None:
        known = self._clean.names
        ordinary = True
        for name, value in attributes.items():
            if name in known:
                self.add(value)
            elif self._names.ordinary(name):
                self._ordinary.append(name)
                self.add(value)
            else:
                self._add_judged(name, value)
                ordinary = False
        if ordinary:
            self._sets[names] = names.index(_STACKTRACE) if _STACKTRACE in names else -1

    def _add_judged(self, name: str, value: Any) -> None:
        if not own.is_known(name, value):
            if name in semconv.HASHES or self._names.secret(name):
                self.suspicious = True
            self._texts.append(name)
            self.add(value)

    def _unknown_of(self, trace: Any) -> Any:
        """Return of a stack trace what is not known: its last line differs even where it recurs."""
        if type(trace) is not str:
            return trace
        last = trace.rfind("\n", 0, -1) + 1
        ending = last, trace[max(0, last - _TELLING) : last]
        known = self._clean.frames.get(ending)
        if known is not None and known[:last] == trace[:last]:
            return trace[last:]
        self._frames[ending] = trace
        return trace

    def learn(self) -> None:
        """Remember what may come again, after nothing secret was found in it."""
        if self._sets:
            self._clean.learn_names(self._ordinary, self._sets)
        if self._frames:
            self._clean.learn_frames(self._frames)

    def joined(self) -> bytes:
        """Return every text, UTF-8, each set off from the next."""
        try:
            joined = _SEPARATOR.join([*self._ordinary, *self._texts])
        except TypeError:
            self._flatten()
            joined = _SEPARATOR.join([*self._ordinary, *self._texts])
        data = joined.encode("utf-8", "surrogatepass")
        return b"\x1f".join((data, *self._raw)) if self._raw else data

    def _flatten(self) -> None:
        """Take apart what stands among the texts and is none."""
        mixed, self._texts = self._texts, []
        for one in mixed:
            self.add(one)


def of_span(span: ReadableSpan, sample: Sample) -> None:
    """Add the texts of a span, without those of its resource and scope."""
    sample.add(span.name)
    if span.status.description:
        sample.add(span.status.description)
    if type(span) is ReadableSpan:  # what the SDK made: its copies are dearer than what follows
        attributes, events, links = span._attributes, _all(span._events), _all(span._links)
    else:
        attributes, events, links = span.attributes, span.events, span.links
    sample.add_attributes(attributes)
    for event in events:
        sample.add(event.name)
        sample.add_attributes(event.attributes)
    for link in links:
        sample.add_attributes(link.attributes)
        sample.add_attributes(link.context.trace_state)
    for context in (span.context, span.parent):
        if context is not None and (state := context.trace_state):
            sample.add_attributes(state)


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


def _all(items: Sequence[Any]) -> Iterable[Any]:
    return cast("Any", items)._dq if type(items) is BoundedList else items
