"""What the pages tell a reader to run can be run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keytrail.cli.app import app
from support.pages import PAGES, ROOT, blocks, commands, name_of

with_python = [page for page in PAGES if blocks(page, "python")]
shell_commands = sorted({command for page in PAGES for command in commands(page)})
keytrail_commands = [
    command.rpartition("| ")[2]
    for command in shell_commands
    if re.match(r"(.* \| )?keytrail ", command)
]


@pytest.mark.parametrize("page", with_python, ids=name_of)
def test_python_examples_run(page: Path, tmp_path: Path) -> None:
    """The Python blocks of a page, one after the other in one process, end without an error."""
    script = "\n".join(block.text for block in blocks(page, "python"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**environ, "KEYTRAIL_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr


@lru_cache
def _help(command: str) -> str:
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    shown = CliRunner().invoke(app, [command, "--help"], env=plain)
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.mark.parametrize("typed", keytrail_commands)
def test_commands_and_their_options_exist(typed: str) -> None:
    """Every ``keytrail`` command that a page shows is there, with the options that it shows."""
    words = shlex.split(re.split(r"[<>|]", typed)[0])
    own = words[1 : words.index("--")] if "--" in words else words[1:]
    options = {word.split("=")[0] for word in own if word.startswith("--")}
    assert options <= set(re.findall(r"--[a-z][a-z-]*", _help(own[0])))


def test_make_targets_exist() -> None:
    """Every ``make`` target that a page shows is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {word for command in shell_commands for word in re.findall(r"\bmake ([a-z]+)", command)}
    assert shown <= targets


def test_extras_exist() -> None:
    """Every extra that a page tells to install is one of the package's."""
    declared = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1]
    extras = set(
        re.findall(r"^([a-z]+) = \[", declared.split("[project.scripts]")[0], re.MULTILINE)
    )
    shown = {
        extra
        for page in PAGES
        for names in re.findall(r"keytrail\[([a-z,]+)\]", page.read_text())
        for extra in names.split(",")
    }
    assert shown <= extras
