"""An exception without the secrets in its text and its chain: a stand-in of the same name."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def text(error: BaseException) -> str:
    """Return what ``logging`` would print of ``error``, without the last line break."""
    return "".join(traceback.format_exception(error)).rstrip("\n")


def stand_in(error: BaseException, redact: Callable[[str], str]) -> ExcInfo:
    """Return what prints as ``error`` does, redacted: of the same name, no instance of its type.

    The frames are the very same, and with them their source lines and variables.
    """
    standing = _standing(error, redact, {})
    return type(standing), standing, standing.__traceback__


def _standing(
    error: BaseException, redact: Callable[[str], str], known: dict[int, BaseException]
) -> BaseException:
    """Return the stand-in of ``error``, made once however often a chain leads to it."""
    if id(error) in known:
        return known[id(error)]
    kind = type(error)
    names: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    standing: BaseException = type(kind.__name__, (Exception,), names)(redact(str(error)))
    known[id(error)] = standing
    standing.__traceback__ = error.__traceback__
    if notes := getattr(error, "__notes__", None):
        vars(standing)["__notes__"] = [redact(str(note)) for note in notes]
    if error.__cause__ is not None:
        standing.__cause__ = _standing(error.__cause__, redact, known)
    if error.__context__ is not None:
        standing.__context__ = _standing(error.__context__, redact, known)
    standing.__suppress_context__ = error.__suppress_context__
    return standing
