"""The questions that keytrail answers, each a function of the command's name and options."""

from __future__ import annotations

from keytrail.questions.answer import Answer, Table
from keytrail.questions.compare import compare
from keytrail.questions.errors import QuestionError
from keytrail.questions.flow import flow
from keytrail.questions.keys import keys
from keytrail.questions.leak import MOST_USES, leak
from keytrail.questions.prices import Prices, read_prices
from keytrail.questions.unused import unused
from keytrail.questions.usage import usage
from keytrail.questions.uses import uses

__all__ = [
    "MOST_USES",
    "Answer",
    "Prices",
    "QuestionError",
    "Table",
    "compare",
    "flow",
    "keys",
    "leak",
    "read_prices",
    "unused",
    "usage",
    "uses",
]
