"""A command that cannot do what was asked."""

from __future__ import annotations


class CommandError(Exception):
    """Says what, where, and a hint; ``code`` is the exit code: 1 error, 2 usage."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
