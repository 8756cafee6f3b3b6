"""``keytrail demo``: real services, real requests, and the report that keytrail makes of them."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from keytrail.cli.errors import CommandError

_NEEDS = ("fastapi", "flask", "httpx", "requests", "uvicorn")

Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="Where journal and logs stay; a new one in the temporary directory."
    ),
]
Requests = Annotated[int, typer.Option(help="Requests to send.", min=100, max=100_000)]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours, as with NO_COLOR=1.")]


def demo(dir: Directory = None, requests: Requests = 3000, no_color: NoColor = False) -> None:  # noqa: A002 - the option's name
    """Start two services, send them requests, and see who used which key.

    Nothing leaves this machine. Exits with 1 if a single use is missing from the report.
    """
    if not all(find_spec(name) for name in _NEEDS):
        raise CommandError(
            "what the demo's services need is not installed\nhint: pip install 'keytrail[demo]'", 2
        )
    if no_color:
        os.environ["NO_COLOR"] = "1"
    from keytrail.demo.errors import DemoError
    from keytrail.demo.run import run
    from keytrail.sources import CannotAnswer

    directory = dir or Path(tempfile.mkdtemp(prefix="keytrail-demo-"))
    try:
        wrong = run(directory, requests, sys.stdout, sys.stderr)
    except (DemoError, CannotAnswer) as error:
        raise CommandError(str(error)) from None
    if wrong:
        wrong.append(f"hint: what the services said is in {directory / 'logs'}")
        raise CommandError("\n".join(["the report is not what was sent:", *wrong]))
