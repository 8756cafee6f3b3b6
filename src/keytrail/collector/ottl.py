"""The Collector's transformation language, written by program: statements and quoted texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that run in order on everything of one context for which a condition holds."""

    context: str
    statements: Sequence[str]
    conditions: Sequence[str] = ()

    def config(self) -> dict[str, Any]:
        """Return the group as the transform processor takes it."""
        conditions = {"conditions": list(self.conditions)} if self.conditions else {}
        return {"context": self.context, **conditions, "statements": list(self.statements)}


def transform(**groups: Sequence[Group]) -> dict[str, Any]:
    """Return a transform processor; ``trace_statements=[…]`` and the like.

    A statement that fails is left out and those after it run: what removes a key stands last. And
    it fails in silence: the message would hold the value.
    """
    return {
        "error_mode": "silent",
        **{signal: [group.config() for group in of_signal] for signal, of_signal in groups.items()},
    }


def text(value: str) -> str:
    """Return ``value`` as a literal of the language."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def pattern(value: str) -> str:
    """Return a regular expression as a literal; ``$`` would begin an expansion of the Collector."""
    return text(dollars(value))


def dollars(value: str) -> str:
    """Return ``value`` as a configuration file must hold it: there ``$`` is written twice."""
    return value.replace("$", "$$")


def attribute(name: str, of: str = "span") -> str:
    """Return the path of an attribute."""
    return f"{of}.attributes[{text(name)}]"


def delete(name: str, of: str = "span") -> str:
    """Return the statement that removes an attribute, whether it is there or not."""
    return f"delete_key({of}.attributes, {text(name)})"
