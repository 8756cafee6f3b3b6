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
