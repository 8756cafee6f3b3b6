from __future__ import annotations

import subprocess
import sys

import pytest

from cli.cli_kit import environment


@pytest.mark.parametrize("missing", ["typer", "rich", "duckdb"])
def test_without_the_extra_the_command_says_how_to_get_it(missing: str) -> None:
    """One line, a hint, exit 2, and no traceback."""
    program = (
        "import importlib.util as util, sys\n"
        "find = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {missing!r} else find(name, *rest)\n"
        "from keytrail.cli import main\n"
        "main()"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == (
        "keytrail's command line is not installed\nhint: pip install 'keytrail[cli]'\n"
    )
