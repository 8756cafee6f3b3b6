"""One thing that ``keytrail doctor`` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """``warn``: uses may be missed or the record may be lost; ``fail``: they are, or it is."""

    name: str
    state: State
    says: str
    hint: str | None = None
    """The next step, for what is not ``ok``."""

    @classmethod
    def failed(cls, name: str, complaint: object, hint: str) -> Check:
        """Return what fails with an error of ours; ``hint`` where it gives none itself."""
        says, _, own = str(complaint).partition("\nhint: ")
        return cls(name, "fail", says, own or hint)
