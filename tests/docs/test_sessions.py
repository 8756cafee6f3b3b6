"""The sessions that the page of questions shows are what a reader gets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.cases import F1, F2, F3, K1, PEPPER
from support.pages import ROOT, blocks

_NOW = re.compile(r" to [-0-9]{10} [:0-9]{8} UTC$", re.MULTILINE)
_SESSIONS = [
    session
    for block in blocks(ROOT / "docs" / "questions.md", "console")
    for session in block.text.removeprefix("$ ").split("\n$ ")
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the sessions read."""
    here = tmp_path_factory.mktemp("session")
    shutil.copytree(ROOT / "examples", here / "examples")
    (here / "leaked-key.txt").write_text(f"{K1}\n")
    (here / "inventory.csv").write_text(
        "fingerprint,name,owner\n"
        f"{F1},acme mobile,acme\n{F2},nightly export,data team\n{F3},old partner,acme\n"
    )
    return here


def _run(command: str, here: Path) -> str:
    program = [sys.executable, "-c", "from keytrail.cli import main; main()"]
    words, _, given = command.partition(" < ")
    ran = subprocess.run(
        [*program, *words.split()[1:]],
        input=(here / given).read_text() if given else "",
        cwd=here,
        env={
            "PATH": os.environ["PATH"],
            "COLUMNS": "100",
            "KEYTRAIL_HOME": str(here / "home"),
            "KEYTRAIL_PEPPER": PEPPER,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_every_session_is_what_a_reader_gets(here: Path) -> None:
    """Typed one after the other; only the end of the record's time is another."""
    for session in _SESSIONS:
        command, _, shown = session.partition("\n")
        printed = "".join(f"{line.rstrip()}\n" for line in _run(command, here).splitlines())
        assert _NOW.sub("", printed).strip() == _NOW.sub("", shown).strip(), command


def test_every_question_has_a_session() -> None:
    """One real session each."""
    asked = {session.split()[1] for session in _SESSIONS}
    assert asked >= {"keys", "uses", "usage", "unused", "leak", "flow", "compare"}
