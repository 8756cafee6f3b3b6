"""The command line: ``keytrail``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from keytrail.cli.cancelling import ending_at_once

_CANCELLED = 130
_NEEDS = ("typer", "rich", "duckdb")


def main() -> None:
    """Run the command that the arguments name; exit 0 answered, 1 error, 2 usage, 130 cancelled."""
    if not all(find_spec(name) for name in _NEEDS):
        sys.stderr.write(
            "keytrail's command line is not installed\nhint: pip install 'keytrail[cli]'\n"
        )
        sys.exit(2)
    with ending_at_once():
        from keytrail.cli.app import run
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(_CANCELLED)
