"""A question is a command and a function of the same name, options and defaults."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from keytrail import questions
from keytrail.cli import asking
from keytrail.questions.filters import Filters

_QUESTIONS = ("keys", "uses", "usage", "unused", "leak", "flow", "compare")
_OF_THE_COMMAND_LINE = {"source", "timeout", "max_rows", "format", "home", "context"}
"""Where is asked, for how long, and how the answer is written."""


def _options(function: Any) -> dict[str, Any]:
    """Return its parameters and their defaults, without the source; filters one by one."""
    _, *own = inspect.signature(function).parameters.values()
    named = [one for one in own if one.kind is not one.VAR_KEYWORD]
    filters = Filters.__annotations__ if len(named) < len(own) else {}
    return {one.name: one.default for one in named} | dict.fromkeys(filters)


@pytest.mark.parametrize("name", _QUESTIONS)
def test_the_options_are_the_parameters(name: str) -> None:
    """Filters too, with the same defaults; a list is typed with commas."""
    typed = {
        option: parameter.default
        for option, parameter in inspect.signature(getattr(asking, name)).parameters.items()
        if option not in _OF_THE_COMMAND_LINE
    }
    called = _options(getattr(questions, name))
    if name == "unused":
        assert called.pop("inventory") is inspect.Parameter.empty
        del typed["inventory"]
    if "by" in typed:
        typed["by"] = tuple(typed["by"].split(","))
    assert typed == called


@pytest.mark.parametrize("name", _QUESTIONS)
def test_a_function_says_what_it_raises_and_returns(name: str) -> None:
    """In its docstring."""
    told = inspect.getdoc(getattr(questions, name)) or ""
    assert re.match(r"Return (one row per|the newest) ", told)
    assert "QuestionError: " in told
    assert "keytrail.sources.CannotAnswer: " in told


def test_units_are_told_once() -> None:
    """Where the answer's rows are described."""
    told = inspect.getdoc(questions.Answer) or ""
    assert "nanoseconds" in told
    assert "seconds" in told.replace("nanoseconds", "")
