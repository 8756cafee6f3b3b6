"""``keytrail doctor``: what is instrumented, what is missing, and what would lose uses."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from keytrail.cli.options import Home, TextFormat, read_quietly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keytrail.cli.checks.check import Check, State
    from keytrail.cli.checks.leaks import Examination

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
Leaks = Annotated[
    bool,
    typer.Option(
        "--leaks",
        help="Send canary keys through this environment's pipeline in a dry run, and say where "
        "they would be exported, with keytrail and without; takes half a minute.",
    ),
]


def doctor(
    format: TextFormat = "text",  # noqa: A002 - option's name
    home: Home = None,
    collector: Collector = None,
    leaks: Leaks = False,
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
    examined = _of_leaks(found, environ) if leaks else None
    if format == "json":
        told: dict[str, Any] = {"checks": [asdict(check) for check in found]}
        if examined is not None:
            told["leaks"] = [place.told() for place in examined.places]
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        _print(found)
        if examined is not None:
            _print_places(examined)
    if any(check.state == "fail" for check in found):
        raise typer.Exit(1)


def _of_collector(given: Path) -> list[Check]:
    from keytrail.cli.checks import collector

    return list(collector.checks(given))


def _of_leaks(found: list[Check], environ: Mapping[str, str]) -> Examination | None:
    """Examine where keys leak, and add the sum of it to ``found``."""
    from keytrail.cli.checks import leaks
    from keytrail.cli.checks.check import Check

    try:
        examined = leaks.examine(environ)
    except leaks.ExaminationError as error:
        says = f"the pipeline of this environment does not start: {error}"
        found.append(Check("leaks", "fail", says, "run the service, and see what it says"))
        return None
    found.append(examined.check())
    return examined


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


def _print_places(examined: Examination) -> None:
    from rich.console import Console
    from rich.table import Table

    from keytrail.report.text import plain

    table = Table("place", "without keytrail", "with keytrail", box=None, pad_edge=False)
    for place in examined.places:
        if place.without or place.with_keytrail:
            table.add_row(
                plain(place.place), ", ".join(place.without), ", ".join(place.with_keytrail) or "-"
            )
    if table.row_count:
        sys.stdout.write("\nplaces from which a key would be exported, and in which signals:\n\n")
        Console(highlight=False).print(table)
