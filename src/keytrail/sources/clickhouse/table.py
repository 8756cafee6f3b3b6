"""Where a table has the columns of a use: told by what is in it, never by a version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from keytrail import semconv
from keytrail.journal.columns import COLUMNS
from keytrail.sources.source import USE_COLUMNS, CannotAnswer
from keytrail.sources.spans import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEEDED: Final = {
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "ServiceName", "SpanAttributes"),
    "Duration",
}
MATERIALIZED: Final = {
    "key": "KeytrailKeyHash",
    "key_id": "KeytrailKeyId",
    "key_name": "KeytrailKeyName",
    "owner": "KeytrailKeyOwner",
    "provider": "KeytrailKeyProvider",
    "direction": "KeytrailDirection",
    "outcome": "KeytrailOutcome",
    "client": "KeytrailClient",
    "route": "KeytrailRoute",
    "path": "KeytrailPath",
}
"""The columns of a use for which the optional migration adds one. Reading the map is dear."""

_PREVIOUS: Final = "KeytrailPreviousHash"
_SPAN: Final = "KeytrailSpan"
_NUMBER: Final = "KeytrailClientNumber"
_REST: Final = "KeytrailRest"
_OTHER_KEYS: Final = "KeytrailOtherKeys"
ADDED: Final = frozenset({*MATERIALIZED.values(), _PREVIOUS, _SPAN, _NUMBER, _REST, _OTHER_KEYS})
"""Every column that the migration adds."""

IN_REST: Final = (
    *("key_id", "key_name", "owner", "environment", "provider", "direction", "method", "route"),
    *("host", "status", "outcome", "reason", "error", "user_agent", "location", "field", "scheme"),
    *("findings", "sampled", "pepper_id"),
)
"""The columns of a use that are together in one: what is alike in many uses."""
REST: Final = (
    *(name for column in IN_REST for name in NAMES[column]),
    *(semconv.KEY_OTHER_HASHES, semconv.REDACTED_HASHES),
)
"""The attributes in that column, which is their JSON."""

_IN_NAMED: Final = (semconv.KEY_OTHER_HASHES, semconv.REDACTED_HASHES)
"""The attributes whose elements are together in a column that has an index."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of spans, and how each column of a use is read from it."""

    name: str
    """Quoted."""
    is_json: bool
    """Attributes are JSON, not a map of texts."""
    added: frozenset[str]
    """The columns of the migration that are there."""
    forgets: bool
    """Old spans are dropped."""
    doubts_keys: bool = False
    """What is no fingerprint is no key; to look at each takes time."""

    def attribute(self, name: str) -> str:
        """Return an attribute as text that may be null."""
        if name == semconv.KEY_PREVIOUS_HASH and _PREVIOUS in self.added:
            return f"nullIf({_PREVIOUS}, '')"
        if name in REST and _REST in self.added:
            return f"nullIf(JSONExtractString({_REST}, {_literal(name)}), '')"
        if self.is_json:
            return f"nullIf(toString(SpanAttributes.{_quoted(name)}), '')"
        return f"nullIf(SpanAttributes[{_literal(name)}], '')"

    def array(self, name: str) -> str:
        """Return an attribute that is an array as JSON."""
        if self.is_json and _REST not in self.added:
            return f"toJSONString(SpanAttributes.{_quoted(name)})"
        return self.attribute(name)

    def equals(self, name: str, parameter: str) -> str:
        """Return the condition that an attribute is among some, for which an index can serve."""
        if self.is_json:
            return f"SpanAttributes.{_quoted(name)}::Nullable(String) IN {parameter}"
        return f"SpanAttributes[{_literal(name)}] IN {parameter}"

    def column(self, column: str) -> str:
        """Return a column of a use: text, number or moment, null where there is none."""
        if column == "key" and self.doubts_keys:
            told = replace(self, doubts_keys=False).column("key")
            return f"if(match(ifNull({told}, ''), '^{semconv.FINGERPRINT.pattern}$'), {told}, NULL)"
        if self.has_own(column):
            return f"nullIf({MATERIALIZED[column]}, '')"
        if column in _OWN:
            return _OWN[column]
        if COLUMNS[column] == "texts":
            return self.array(NAMES[column][0])
        names = [self.attribute(name) for name in NAMES[column]]
        text = names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"
        return f"toInt64OrNull({text})" if COLUMNS[column] == "integer" else text

    def told(self, columns: tuple[str, ...] = USE_COLUMNS) -> dict[str, str]:
        """Return what tells ``columns`` of a use, each by its name, :data:`IN_REST` by ``rest``."""
        rest = IN_REST if _REST in self.added and not set(IN_REST).isdisjoint(columns) else ()
        told = {column: self.column(column) for column in columns if column not in rest}
        return {**told, "rest": _REST} if rest else told

    def has(self, name: str, parameter: str) -> str:
        """Return the condition that an array has any of some elements."""
        elements = f"JSONExtract(ifNull({self.array(name)}, '[]'), 'Array(String)')"
        return f"{self._may_have(name, parameter)} AND hasAny({elements}, {parameter})"

    def among(self, column: str, parameter: str) -> str:
        """Return the condition that a column, as text, is among some, none of which is empty.

        No index serves what is computed from a column.
        """
        if column == "service":
            return f"ServiceName IN {parameter}"
        own = MATERIALIZED[column] if self.has_own(column) else f"toString({self.column(column)})"
        return f"{own} IN {parameter}"

    def _may_have(self, name: str, parameter: str) -> str:
        """Return a condition that is quickly told, and met where the attribute has any of some."""
        if name in _IN_NAMED and self.has_named:
            return self.names(parameter)
        if name in REST and _REST in self.added:
            return f"position({_REST}, {_literal(name)}) > 0"
        if self.is_json:
            return f"{self.attribute(name)} IS NOT NULL"
        return f"mapContains(SpanAttributes, {_literal(name)})"

    @property
    def has_named(self) -> bool:
        """Tell whether it is quickly told which spans name a key beside their own.

        Presented with it, redacted, or their own under the pepper before; or a public id like one.
        """
        return _OTHER_KEYS in self.added

    def names(self, parameter: str) -> str:
        """Return the condition that a span names any of some keys; asks for ``has_named``."""
        return f"hasAny({_OTHER_KEYS}, {parameter})"

    def has_own(self, column: str) -> bool:
        """Tell whether the migration gave this column of a use one of its own."""
        return MATERIALIZED.get(column) in self.added

    @property
    def is_migrated_in_part(self) -> bool:
        """Whether it has some columns of the migration, but not all."""
        return bool(self.added) and self.added != ADDED

    @property
    def span(self) -> str:
        """A number for a span: spans with different numbers are different."""
        return _SPAN if _SPAN in self.added else "cityHash64(TraceId, SpanId)"

    @property
    def client_number(self) -> str:
        """The client as a number, which counts faster; 0 where it has none."""
        return _NUMBER if _NUMBER in self.added else "toUInt32(0)"

    @property
    def client_without_number(self) -> str:
        """The client where it has no number, else null."""
        client = self.column("client")
        return f"if({_NUMBER} = 0, {client}, NULL)" if _NUMBER in self.added else client

    @property
    def is_use(self) -> str:
        """The condition that a span is an audit span, which alone has an outcome of ours."""
        if self.has_own("outcome"):
            return "KeytrailOutcome != ''"
        return self.equals(semconv.SCHEMA_VERSION, f"({_literal(semconv.SCHEMA)})")


_OWN: Final = {
    "time": "toUnixTimestamp64Nano(Timestamp)",
    "service": "nullIf(toString(ServiceName), '')",
    "duration": "toFloat64(Duration) / 1e9",
    "trace_id": "leftPad(toString(TraceId), 32, '0')",
    "span_id": "leftPad(toString(SpanId), 16, '0')",
    "parent_span_id": "nullIf(toString(ParentSpanId), '')",
}


class Name(NamedTuple):
    """The name of a table."""

    database: str
    """Empty where it is the one that was connected to."""
    table: str

    @property
    def quoted(self) -> str:
        """As SQL has it."""
        return ".".join(_quoted(part) for part in self if part)


def names(text: str) -> Iterator[Name]:
    """Yield the tables that may be meant: a point may be in either name, or between the two."""
    yield Name("", text)
    points = (place for place, letter in enumerate(text) if letter == ".")
    yield from (Name(text[:point], text[point + 1 :]) for point in points)


def read_table(name: Name, where: str, described: Mapping[str, str], engine: str) -> Table:
    """Return the table that is ``described``: column → type.

    Raises:
        CannotAnswer: it is not the table of the Collector's exporter.
    """
    missing = _NEEDED - described.keys()
    if missing:
        raise CannotAnswer(
            f"{'.'.join(filter(None, name))} in {where} has no column {min(missing)}"
            "\nhint: name the table of the Collector's ClickHouse exporter by ?table="
        )
    return Table(
        name=name.quoted,
        is_json=described["SpanAttributes"].startswith(("JSON", "Object")),
        added=ADDED & described.keys(),
        forgets=" TTL " in engine,
    )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
