"""google-re2, wrapped in one place: linear time, bytes in, and safe around ``os.fork``."""

from __future__ import annotations

from typing import Any, Protocol, cast

import re2

from keytrail.redaction.locks import fork_safe_lock

_searching = fork_safe_lock()
"""A fork while another thread searches would copy RE2's own lock as held: the child would hang."""


class Match(Protocol):
    """Where the pattern was found; groups that took no part have the span (-1, -1)."""

    def span(self, group: int = 0) -> tuple[int, int]:
        """Return start and end of ``group`` in bytes."""
        ...


class Pattern:
    """One case-insensitive expression over Latin-1, which means over bytes as they are."""

    def __init__(self, expression: str) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = False
        options.log_errors = False
        self._compiled: Any = re2.compile(expression.encode(), options)

    def search(self, data: bytes, start: int = 0) -> Match | None:
        """Return the leftmost match that begins at ``start`` or later."""
        with _searching:
            return cast("Match | None", self._compiled.search(data, start))
