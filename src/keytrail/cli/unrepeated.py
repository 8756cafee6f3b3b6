"""Usage errors that do not repeat what may be a key.

The parser's messages quote the argument that it does not understand. Somebody who is in a hurry
may have given a key there, and messages end in logs.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST: Final = 16
"""Characters of an argument that is not repeated; typing errors are mostly in shorter ones."""
_STAND_IN: Final = "…"


class UnrepeatingGroup(TyperGroup):
    """A group of commands whose usage errors repeat no long argument."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse what stands before a command's name."""
        with _unrepeated():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse what belongs to a command, and run it."""
        with _unrepeated():
            return super().invoke(ctx)


@contextmanager
def _unrepeated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        if isinstance(message, str):
            error.message = _without_long_arguments(message)  # type: ignore[attr-defined]
        raise


def _without_long_arguments(message: str) -> str:
    parts = {part for word in sys.argv[1:] for part in (word, *re.split("[=,]", word))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            message = message.replace(part, _STAND_IN).replace(repr(part)[1:-1], _STAND_IN)
    return message
