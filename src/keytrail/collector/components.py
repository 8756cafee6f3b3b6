"""Which components a Collector has, and what the ones that we need are called in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDER_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("connectors", "span_metrics"): "spanmetrics",
    ("exporters", "otlp_grpc"): "otlp",
    ("exporters", "otlp_http"): "otlphttp",
    ("exporters", "prometheus_remote_write"): "prometheusremotewrite",
    ("processors", "delta_to_cumulative"): "deltatocumulative",
}
"""What components were called before they were renamed; newer Collectors know both, and warn."""

_SECTIONS: Final = ("extensions", "receivers", "processors", "connectors", "exporters")


@dataclass(frozen=True, slots=True)
class Components:
    """The component types that a Collector was built with, by section."""

    version: str
    types: Mapping[str, frozenset[str]]

    def called(self, section: str, kind: str) -> str | None:
        """Return the name of a type in this Collector; ``None`` where it is missing."""
        for name in (kind, OLDER_NAMES.get((section, kind))):
            if name in self.types[section]:
                return name
        return None


def read(text: str) -> Components:
    """Read what ``otelcol components`` prints.

    Raises:
        CollectorError: it is something else.

    """
    try:
        listed = yaml.safe_load(text)
        types = {
            section: frozenset(str(entry["name"]) for entry in listed.get(section) or [])
            for section in _SECTIONS
        }
        version = str(listed["buildinfo"]["version"])
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise CollectorError(
            "this is not what a Collector says of its components\n"
            "hint: otelcol components > components.yaml"
        ) from None
    return Components(version, types)


def missing(part: Part, there: Components) -> list[str]:
    """Return ``section: type`` for each component type that ``part`` needs and is not there."""
    needed = {
        (section, name.partition("/")[0])
        for section in _SECTIONS
        for name in part.config.get(section, {})
    }
    return sorted(
        f"{section}: {kind}" for section, kind in needed if there.called(section, kind) is None
    )


def named_for(part: Part, there: Components) -> Part:
    """Return ``part`` with the names that its types have in this Collector."""
    names = {kind: there.called(section, kind) or kind for section, kind in OLDER_NAMES}
    return _renamed(part, {kind: name for kind, name in names.items() if name != kind})


def with_older_names(part: Part) -> Part:
    """Return ``part`` with the older names, which old and new Collectors know."""
    return _renamed(part, {kind: name for (_, kind), name in OLDER_NAMES.items()})


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    ids = {
        name: names[kind] + slash + rest
        for section in _SECTIONS
        for name in part.config.get(section, {})
        for kind, slash, rest in [name.partition("/")]
        if kind in names
    }
    config: dict[str, Any] = _replaced(part.config, ids)
    return Part(config, {ids.get(name, name): note for name, note in part.notes.items()})


def _replaced(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {ids.get(name, name): _replaced(inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, ids) for inner in value]
    return ids.get(value, value) if isinstance(value, str) else value
