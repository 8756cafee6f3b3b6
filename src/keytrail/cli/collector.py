"""``keytrail collector``: configuration for the OpenTelemetry Collector, and its journal."""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer

from keytrail.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytrail.collector.fragment import Part

_Answer = TypeVar("_Answer")

app = typer.Typer(
    help="Configuration for the OpenTelemetry Collector, and its journal.",
    no_args_is_help=True,
    add_completion=False,
)

_HEADING: Final = (
    "Rendered by keytrail collector render. Give it to the Collector after your own files:\n"
    "    otelcol --config yours.yaml --config this.yaml"
)

Base = Annotated[
    list[Path],
    typer.Option(help="A file of your configuration; several in their order.", metavar="FILE"),
]
Mode = Annotated[
    Literal["beside", "in-front"],
    typer.Option(help="beside: audit only, your pipelines untouched; in-front: redact them too."),
]
Backend = Annotated[
    list[str], typer.Option(help="Where audit spans go: otlp, jaeger, …; several.", metavar="NAME")
]
Apart = Annotated[
    Literal["filter", "receiver"] | None,
    typer.Option(
        help="Beside: keep what is only audit out of your pipelines, by a filter before their "
        "processors or by a receiver of its own that services deliver their audit to."
    ),
]
Header = Annotated[
    list[str],
    typer.Option(help="One more header that carries keys, if services capture it.", metavar="NAME"),
]
InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--inventory", help="Your inventory: its names of keys may be series.", metavar="FILE"
    ),
]
ComponentList = Annotated[
    Path | None,
    typer.Option(
        help="What `otelcol components` of your Collector printed; names are chosen to fit.",
        metavar="FILE",
    ),
]
OlderNames = Annotated[
    bool, typer.Option("--older-names", help="Names that older Collectors know: otlphttp, …")
]
Program = Annotated[
    Path | None, typer.Option("--collector", help="The Collector to ask.", metavar="PROGRAM")
]
Configs = Annotated[list[Path], typer.Argument(help="Files, in their order.", metavar="FILE…")]
Moment = Annotated[str | None, typer.Option(help="RFC 3339, 2h or 7d ago, today.", metavar="TIME")]


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")] = "") -> None:
    """Print a file of the Collector's configuration; without a name, what there is."""
    from keytrail.collector import files

    there = {
        str(path.relative_to(files.directory()).with_suffix("")): path
        for path in sorted(files.directory().rglob("*.yaml"))
    }
    if not name:
        sys.stdout.write("".join(f"{one}\n" for one in there))
    elif name.removesuffix(".yaml") in there:
        sys.stdout.write(there[name.removesuffix(".yaml")].read_text())
    else:
        raise CommandError(f"{name}: no such file\nhint: keytrail collector show", 2)


@app.command()
def render(
    base: Base,
    mode: Mode = "in-front",
    backend: Backend = ["otlp"],  # noqa: B006 - Typer copies it
    header: Header = [],  # noqa: B006
    apart: Apart = None,
    inventory: InventoryFile = None,
    components: ComponentList = None,
    older_names: OlderNames = False,
) -> None:
    """Print what to add to your configuration, with your receivers and pipelines filled in.

    Refuses where something of yours would be dropped.
    """
    if apart and mode == "in-front":
        raise CommandError("--apart is for --mode beside\nhint: in front keeps it apart anyway", 2)
    part = _answered(lambda: _rendered(base, mode, backend, header, apart))
    if inventory is not None:
        part = _answered(lambda: _with_names(part, inventory))
    if older_names:
        from keytrail.collector.components import with_older_names

        part = with_older_names(part)
    if components is not None:
        part = _answered(lambda: _named(part, components))
    from keytrail.collector.fragment import as_text

    sys.stdout.write(as_text(part, _HEADING))


@app.command()
def validate(configs: Configs, collector: Program = None) -> None:
    """Ask a Collector whether it would start with these files; exit 1 where it would not."""

    def ask() -> list[str]:
        from keytrail.collector import program

        return program.validate(program.find(collector), configs, os.environ)

    wrong = _answered(ask)
    if wrong:
        raise CommandError("\n".join(wrong))
    sys.stderr.write("keytrail: the Collector takes it\n")


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="Directory of audit*.jsonl.", metavar="JOURNAL")],
    endpoint: Annotated[str, typer.Option(help="OTLP/HTTP, such as http://host:4318.")],
    since: Moment = None,
    until: Moment = None,
    header: Annotated[
        list[str],
        typer.Option(help="NAME=VALUE; $NAME in a value is taken from the environment."),
    ] = [],  # noqa: B006
) -> None:
    """Send what the Collector's journal holds of a span of time again, with equal ids."""

    def send() -> None:
        from keytrail.collector.replay import replay, sender

        headers = dict(_header(one) for one in header)
        sent = replay(journal, sender(endpoint, headers), _moment(since), _moment(until))
        for place in sent.unreadable:
            sys.stderr.write(
                f"keytrail: {place} is no request, or torn; what is whole of it was sent\n"
            )
        sys.stdout.write(f"{sent.spans} spans in {sent.requests} requests\n")

    _answered(send)


def _answered(ask: Callable[[], _Answer]) -> _Answer:
    if find_spec("yaml") is None:
        raise CommandError("PyYAML is not installed\nhint: pip install 'keytrail[cli]'", 2)
    from keytrail.collector.errors import CollectorError

    try:
        return ask()
    except CollectorError as error:
        raise CommandError(str(error)) from None


def _rendered(
    base: list[Path], mode: Mode, backend: list[str], header: list[str], apart: Apart
) -> Part:
    from keytrail.collector import rendering, yours

    read = yours.read(base)
    for note in read.notes:
        sys.stderr.write(f"keytrail: {note}\n")
    return rendering.render(read, mode, backend, header, apart=apart)


def _with_names(part: Part, inventory: Path) -> Part:
    from keytrail.capture.entry import InventoryError
    from keytrail.capture.inventory_file import read_inventory
    from keytrail.collector import measuring
    from keytrail.collector.fragment import together

    try:
        names = sorted({entry.name for entry in read_inventory(inventory) if entry.name})
    except InventoryError as error:
        raise CommandError(str(error)) from None
    return together(part, measuring.series_for(names))


def _named(part: Part, listed: Path) -> Part:
    from keytrail.collector import components

    try:
        there = components.read(listed.read_text())
    except OSError as error:
        raise CommandError(f"{listed}: {error.strerror}") from None
    lacking = components.missing(part, there)
    if lacking:
        raise CommandError(
            f"this Collector lacks {', '.join(lacking)}\n"
            "hint: build one with `keytrail collector show builder`, or take otelcol-contrib"
        )
    return components.named_for(part, there)


def _header(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals:
        raise CommandError(f"--header {name}: no value\nhint: --header 'Authorization=$TOKEN'", 2)
    return name, os.path.expandvars(value)


def _moment(text: str | None) -> int | None:
    from keytrail.questions.moments import read_moment

    try:
        return None if text is None else read_moment(text, time.time_ns())
    except ValueError:
        raise CommandError(
            f"{text}: no time\nhint: 2026-01-31T12:00:00Z, 2h, 7d, today", 2
        ) from None
