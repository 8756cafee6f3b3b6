"""One private name that keytrail relies on, and how it is checked."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Seam:
    """One place that keytrail relies on without a promise from its owner."""

    name: str
    package: str
    """The distribution that may move it with a release."""
    loses: str
    """What keytrail cannot do when the seam is gone."""
    holds: Callable[[], bool]

    def check(self) -> str | None:
        """Return ``None`` where the seam holds, else what is lost, and with which release."""
        try:
            held = self.holds()
        except ModuleNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a seam that raises is gone
            return f"{self.loses} with {self._release()} ({type(error).__qualname__})"
        return None if held else f"{self.loses} with {self._release()}"

    def _release(self) -> str:
        try:
            return f"{self.package} {version(self.package)}"
        except PackageNotFoundError:
            return f"Python {platform.python_version()}"


def has(module: str, *path: str) -> Callable[[], bool]:
    """Return the check that a module has a name, and that one the next."""

    def holds() -> bool:
        found: Any = importlib.import_module(module)
        for name in path:
            found = getattr(found, name)
        return True

    return holds
