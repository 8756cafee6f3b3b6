"""A configuration as it grows from parts, and as text for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

SECTIONS: Final = ("extensions", "receivers", "processors", "connectors", "exporters", "service")


@dataclass(frozen=True, slots=True)
class Part:
    """Some components and pipelines; ``notes`` says of a component why it is there."""

    config: dict[str, dict[str, Any]]
    notes: dict[str, str] = field(default_factory=dict)


def together(*parts: Part) -> Part:
    """Return the parts as one, sections merged as the Collector merges files."""
    config: dict[str, dict[str, Any]] = {}
    notes: dict[str, str] = {}
    for part in parts:
        config = merged(config, part.config)
        notes |= part.notes
    return Part(config, notes)


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return ``first`` with ``second`` over it: mappings merge, everything else is replaced."""
    both = dict(first)
    for name, value in second.items():
        under = both.get(name)
        both[name] = (
            merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return both


def as_text(part: Part, heading: str = "") -> str:
    """Return the configuration as YAML: sections in order, a component's note above it."""
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    for section in SECTIONS:
        if part.config.get(section):
            lines += ["", f"{section}:"] if lines else [f"{section}:"]
            for name, value in part.config[section].items():
                lines += _component(name, value, part.notes)
    return "\n".join(lines) + "\n"


def _component(name: str, value: Any, notes: dict[str, str]) -> list[str]:
    note = [f"  # {line}" for line in notes.get(name, "").splitlines()]
    if name == "pipelines":
        inner = [line for key, one in value.items() for line in _component(key, one, notes)]
        return [*note, f"  {name}:", *(f"  {line}" for line in inner)]
    return [*note, *(f"  {line}" for line in _dumped({name: value}).splitlines())]


def _dumped(value: Any) -> str:
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True
    ).rstrip("\n")


class _Dumper(yaml.SafeDumper):
    """Short lists on one line, what holds an expansion unquoted where YAML allows it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write what stands twice twice: the Collector's readers need no anchors."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists below their name."""
        super().increase_indent(flow, False)


def _sequence(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    plain = all(isinstance(item, str | int) for item in value)
    short = plain and sum(len(str(item)) + 2 for item in value) < 70
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


_Dumper.add_representer(list, _sequence)
