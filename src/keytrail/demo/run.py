"""The whole demo: play, ask the journal as anybody would, show the answers, check them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from keytrail import questions, report
from keytrail.capture.pepper import load_peppers
from keytrail.demo import check, show
from keytrail.demo.cast import assemble
from keytrail.demo.copied import Copied
from keytrail.demo.play import perform
from keytrail.demo.stage import Stage
from keytrail.demo.story import theft
from keytrail.settings import Settings
from keytrail.sources import LocalSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keytrail.demo.story import Use
    from keytrail.questions import Answer
    from keytrail.settings import Secret
    from keytrail.sources import Source

_WIDTH = 100
"""Columns where there is no terminal to ask."""


def run(directory: Path, requests: int, data: TextIO, talk: TextIO) -> list[str]:
    """Play in ``directory``, print the report to ``data``; return what is wrong, if anything is.

    Raises:
        DemoError: the directory cannot be used, or a service did not start, answer or stop.
        keytrail.sources.CannotAnswer: the journal cannot be read.

    """
    page, words = Copied(data), Copied(talk)
    stage, players = Stage(directory), assemble()
    stage.clear()
    fingerprint = _fingerprints(stage)
    stage.write_inventory(players, fingerprint)
    answers = perform(stage, players, requests, _console(words))
    uses, keys = _asked(stage, questions.uses), _asked(stage, questions.keys)
    console = _console(page)
    console.print(show.opening(requests, _records(uses)))
    report.write(keys, "table", page, words)
    expected = check.expected_uses(answers, players, fingerprint)
    wrong = check.differences(expected, _records(uses), _records(keys))
    wrong += check.incomplete(uses.completeness)
    if wrong:
        return wrong
    stolen = theft(fingerprint(players.leaked.key), _records(uses))
    console.print(show.story(stolen))
    wrong = check.raw_keys(directory, page.getvalue() + words.getvalue(), players.keys())
    if not wrong:
        console.print(show.closing(requests, expected.total()))
        for command in show.commands(stage.home, stolen):
            console.print(command, soft_wrap=True)
    return wrong


def _asked(stage: Stage, question: Callable[[Source], Answer]) -> Answer:
    """Return the answer with its rows in memory, since several pages read them."""
    answer = question(LocalSource(stage.home))
    return replace(answer, rows=list(answer.rows))


def _records(answer: Answer) -> list[Use]:
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _fingerprints(stage: Stage) -> Callable[[Secret], str]:
    peppers = load_peppers(Settings(home=stage.home)).peppers
    return lambda key: peppers.fingerprint(key.reveal().encode())


def _console(stream: Copied) -> Console:
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(file=stream, highlight=False, width=None if known else _WIDTH)
