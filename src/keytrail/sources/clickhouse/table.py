"""Where a table has the columns of a use: told by what is in it, never by a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.journal.columns import COLUMNS
from keytrail.sources.source import CannotAnswer
from keytrail.sources.spans import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

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
}
"""The columns that the optional migration adds: what ``keys`` needs. Reading the map is dear."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of spans, and how each column of a use is read from it."""

    name: str
    """Quoted."""
    is_json: bool
    """Attributes are JSON, not a map of texts."""
    materialized: frozenset[str]
    """The columns of a use that have one of their own."""
    forgets: bool
    """Old spans are dropped."""

    def attribute(self, name: str) -> str:
        """Return an attribute as text that may be null."""
        if self.is_json:
            return f"nullIf(toString(SpanAttributes.{_quoted(name)}), '')"
        return f"nullIf(SpanAttributes[{_literal(name)}], '')"

    def array(self, name: str) -> str:
        """Return an attribute that is an array as JSON."""
        if self.is_json:
            return f"toJSONString(SpanAttributes.{_quoted(name)})"
        return self.attribute(name)

    def equals(self, name: str, parameter: str) -> str:
        """Return the condition that an attribute is among some, for which an index can serve."""
        if self.is_json:
            return f"SpanAttributes.{_quoted(name)}::Nullable(String) IN {parameter}"
        return f"SpanAttributes[{_literal(name)}] IN {parameter}"

    def column(self, column: str) -> str:
        """Return a column of a use: text, number or moment, null where there is none."""
        if column in self.materialized:
            return f"nullIf({MATERIALIZED[column]}, '')"
        if column in _OWN:
            return _OWN[column]
        if COLUMNS[column] == "texts":
            return self.array(NAMES[column][0])
        names = [self.attribute(name) for name in NAMES[column]]
        text = names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"
        return f"toInt64OrNull({text})" if COLUMNS[column] == "integer" else text

    def has(self, name: str, parameter: str) -> str:
        """Return the condition that an array has any of some elements."""
        elements = f"JSONExtract(ifNull({self.array(name)}, '[]'), 'Array(String)')"
        return f"hasAny({elements}, {parameter})"

    @property
    def is_use(self) -> str:
        """The condition that a span is an audit span, which alone has an outcome of ours."""
        if "outcome" in self.materialized:
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


def read_table(name: str, where: str, described: Mapping[str, str], engine: str) -> Table:
    """Return the table that is ``described``: column → type.

    Raises:
        CannotAnswer: it is not the table of the Collector's exporter.
    """
    missing = _NEEDED - described.keys()
    if missing:
        raise CannotAnswer(
            f"{name} in {where} has no column {min(missing)}"
            "\nhint: name the table of the Collector's ClickHouse exporter by ?table="
        )
    return Table(
        name=quoted(name),
        is_json=described["SpanAttributes"].startswith(("JSON", "Object")),
        materialized=frozenset(one for one, own in MATERIALIZED.items() if own in described),
        forgets=" TTL " in engine,
    )


def quoted(name: str) -> str:
    """Return the name of a table, perhaps with its database, as SQL has it."""
    return ".".join(map(_quoted, name.split(".")))


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
