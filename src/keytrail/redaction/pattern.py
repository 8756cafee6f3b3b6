"""google-re2, wrapped in one place: linear time, bytes in, and safe around ``os.fork``."""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

import re2

from keytrail.redaction.locks import fork_safe_lock

MOST_STATES: Final = 32 * 1024 * 1024
"""Bytes that an automaton may grow to; with the usual 8 MiB the longest matches of all shapes
overflow it, and RE2 falls back to an engine that is a hundred times slower."""

_searching = fork_safe_lock()
"""A fork while another thread searches would copy RE2's own lock as held: the child would hang."""


class Match(Protocol):
    """Where the pattern was found; groups that took no part have the span (-1, -1)."""

    def span(self, group: int = 0) -> tuple[int, int]:
        """Return start and end of ``group`` in bytes."""
        ...


class Pattern:
    """One expression over Latin-1, which means over bytes as they are.

    ``longest``: of the matches that begin leftmost the longest one counts, not the first
    alternative's; such a pattern has no groups.
    """

    def __init__(
        self, expression: str, *, ignore_case: bool = False, longest: bool = False
    ) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = not ignore_case
        options.longest_match = options.never_capture = longest
        options.max_mem = MOST_STATES
        options.log_errors = False
        self._compiled: Any = re2.compile(expression.encode(), options)

    def search(self, data: bytes, start: int = 0) -> Match | None:
        """Return the leftmost match that begins at ``start`` or later."""
        with _searching:
            return cast("Match | None", self._compiled.search(data, start))
