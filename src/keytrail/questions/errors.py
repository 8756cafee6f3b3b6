"""What is wrong with a question."""

from __future__ import annotations


class QuestionError(ValueError):
    """A question that cannot be asked; names the filter, never a key, and gives a hint."""
