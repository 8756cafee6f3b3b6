"""``keytrail doctor``: what is instrumented, what is missing, and what would lose uses."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keytrail.cli.options import Home, TextFormat, read_quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytrail.cli.checks.check import Check, State

_STYLES: Final[dict[State, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_BREAK_OPENTELEMETRY: Final = ("OTEL_SDK_DISABLED", "OTEL_PROPAGATORS")
"""What is checked and told must not also break the checks that load OpenTelemetry."""

Collector = Annotated[
    Path | None,
    typer.Option(
        help="Also check an OpenTelemetry Collector: its program, or the output of its command "
        "`components`.",
        metavar="FILE",
    ),
]


def doctor(
    format: TextFormat = "text",  # noqa: A002 - option's name
    home: Home = None,
    collector: Collector = None,
) -> None:
    """Check this Python environment and its settings; exit 1 when something fails.

    Run it where the service runs: same environment, same user, same variables.
    """
    from keytrail.cli.checks import examine

    environ = dict(os.environ)
    for name in _BREAK_OPENTELEMETRY:
        os.environ.pop(name, None)
    found = examine(read_quietly(home), environ)
    if collector is not None:
        found += _of_collector(collector)
    if format == "json":
        sys.stdout.write(json.dumps({"checks": [asdict(check) for check in found]}) + "\n")
    else:
        _print(found)
    if any(check.state == "fail" for check in found):
        raise typer.Exit(1)


def _of_collector(given: Path) -> list[Check]:
    from keytrail.cli.checks import collector

    return list(collector.checks(given))


def _print(found: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from keytrail.report.text import plain

    table = Table.grid(padding=(0, 2, 0, 0))
    for check in found:
        says = Text.assemble((plain(check.name), "bold"), f": {plain(check.says)}")
        if check.hint is not None:
            says.append(f"\nhint: {plain(check.hint)}", "dim")
        table.add_row(Text(check.state, _STYLES[check.state]), says)
    Console(highlight=False).print(table)
    _print_sum(found)


def _print_sum(found: Sequence[Check]) -> None:
    counts = {state: sum(check.state == state for check in found) for state in _STYLES}
    sys.stdout.write("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()) + "\n")
