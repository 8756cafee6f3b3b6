"""The three ways to know a secret, together: by name, by shape, by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.redaction.named import NamedValues
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.regions import merged
from keytrail.redaction.shapes import ShapedValues
from keytrail.redaction.values import KnownValues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.redaction.memory import KeyMemory
    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.regions import Region
    from keytrail.redaction.values import Wanted


class Rules:
    """What names, shapes and the memory say is secret.

    Whether a text may hold anything by name or by shape is asked in one search for both; where it
    stands is asked of each, in the few texts that may.
    """

    def __init__(self, names: SensitiveNames, memory: KeyMemory, shapes: Iterable[str]) -> None:
        self.names = names
        self.memory = memory
        self.known = KnownValues(memory)
        self._named = NamedValues(names)
        self._shaped = ShapedValues(shapes)
        self._written = Pattern.anywhere(f"(?i:{self._named.expression})|{self._shaped.expression}")

    def among(self, wanted: Wanted) -> Secrets:
        """Return what to look for where ``wanted`` are the keys to look for by value."""
        return Secrets(self._written, self._named, self._shaped, wanted)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What to look for in the texts of one trace."""

    written: Pattern
    named: NamedValues
    shaped: ShapedValues
    wanted: Wanted

    def hinted(self, data: bytes) -> bool:
        """Tell whether ``data`` may hold a secret; never wrong when it says no."""
        return self.written.is_in(data) or self.wanted.hinted(data)

    def regions(self, data: bytes) -> list[Region]:
        """Return where the secrets are, in order, none overlapping another."""
        found: list[Region] = []
        if self.written.is_in(data):
            found += self.named.regions(data)
            found += self.shaped.regions(data)
        found += self.wanted.regions(data)
        return merged(found)
