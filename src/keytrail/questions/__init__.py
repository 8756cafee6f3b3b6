"""The questions that keytrail answers, each a function of the command's name and options."""

from __future__ import annotations

from keytrail.questions.answer import Answer
from keytrail.questions.errors import QuestionError
from keytrail.questions.keys import keys
from keytrail.questions.uses import uses

__all__ = ["Answer", "QuestionError", "keys", "uses"]
