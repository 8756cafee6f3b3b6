"""What is to be done when a module is imported, by whoever is still there then."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeVar

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

Owner = TypeVar("Owner")


def when_imported(name: str, owner: Owner, act: Callable[[Owner, ModuleType], None]) -> None:
    """Call ``act`` once ``name`` is imported, now or later, as long as ``owner`` lives.

    The hook itself is kept for ever, and must not keep what was taken out of the process again.
    """
    living = weakref.ref(owner)

    def hook(module: ModuleType) -> None:
        if (found := living()) is not None:
            act(found, module)

    wrapt.register_post_import_hook(hook, name)
