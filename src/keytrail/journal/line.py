"""JSON objects as lines of bytes, and attributes read back from them."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.journal.normal import Carried

_VISIBLE: Final = "keytrail-visible-surrogates"
_to_json = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode


def _escape_twice(error: UnicodeError) -> tuple[str, int]:
    """Let a lone surrogate be read back as the text of its escape, not as the surrogate."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(f"\\\\u{ord(character):04x}" for character in bad), error.end


codecs.register_error(_VISIBLE, _escape_twice)


def to_line(content: Mapping[str, Any]) -> bytes:
    """Return ``content`` as compact UTF-8 JSON with one newline, at its end.

    Raises:
        TypeError, ValueError: it holds what JSON cannot.

    """
    return (_to_json(content) + "\n").encode("utf-8", _VISIBLE)


def attributes_in(parsed: Mapping[str, Any]) -> dict[str, Carried]:
    """Return the ``attributes`` of a parsed object, with arrays as tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in parsed.get("attributes", {}).items()
    }
