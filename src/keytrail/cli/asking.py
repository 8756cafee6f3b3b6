"""The commands that ask the record: ``keys`` and ``uses``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Format, Home, read_settings
from keytrail.cli.sealing import seal_where_worthwhile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keytrail.questions import Answer
    from keytrail.sources import Source

_TABLE_LIMIT: Final = 100

Key = Annotated[
    str | None,
    typer.Option(help="First 8 or more digits of a fingerprint, or a public key id.", metavar="ID"),
]
Since = Annotated[
    str | None,
    typer.Option(help="From this time on: RFC 3339, 2h or 7d ago, today.", metavar="TIME"),
]
Until = Annotated[str | None, typer.Option(help="Up to this time.", metavar="TIME")]
Service = Annotated[str | None, typer.Option(help="Service that saw the use.", metavar="NAME")]
Route = Annotated[
    str | None, typer.Option(help="Route; the path where none is known.", metavar="ROUTE")
]
Client = Annotated[
    str | None, typer.Option(help="Client address or network (10.0.0.0/8).", metavar="ADDRESS")
]
Status = Annotated[str | None, typer.Option(help="404, 4xx or 400-499.", metavar="STATUS")]
Direction = Annotated[str | None, typer.Option(help="incoming or outgoing.", metavar="DIRECTION")]
Outcome = Annotated[
    str | None,
    typer.Option(help="success, denied, rate_limited, error or unknown.", metavar="OUTCOME"),
]
Owner = Annotated[str | None, typer.Option(help="Owner of the key.", metavar="NAME")]
Provider = Annotated[str | None, typer.Option(help="Provider of the key.", metavar="NAME")]
Host = Annotated[str | None, typer.Option(help="Host that was called.", metavar="HOST")]
Finding = Annotated[
    str | None, typer.Option(help="A finding, such as wrong_host.", metavar="FINDING")
]
Trace = Annotated[str | None, typer.Option(help="Trace id.", metavar="ID")]
Limit = Annotated[
    int | None,
    typer.Option(help="Most uses shown, 0 for all; a table shows 100.", min=0, metavar="N"),
]


def keys(
    key: Key = None,
    since: Since = None,
    until: Until = None,
    service: Service = None,
    route: Route = None,
    client: Client = None,
    status: Status = None,
    direction: Direction = None,
    outcome: Outcome = None,
    owner: Owner = None,
    provider: Provider = None,
    host: Host = None,
    finding: Finding = None,
    trace: Trace = None,
    format: Format = "table",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Show every key that was used: by whom, first and last, how often, with what result."""
    from keytrail import questions

    _answer(
        home,
        format,
        lambda source: questions.keys(
            source,
            key=key,
            since=since,
            until=until,
            service=service,
            route=route,
            client=client,
            status=status,
            direction=direction,
            outcome=outcome,
            owner=owner,
            provider=provider,
            host=host,
            finding=finding,
            trace=trace,
        ),
    )


def uses(
    key: Key = None,
    since: Since = None,
    until: Until = None,
    service: Service = None,
    route: Route = None,
    client: Client = None,
    status: Status = None,
    direction: Direction = None,
    outcome: Outcome = None,
    owner: Owner = None,
    provider: Provider = None,
    host: Host = None,
    finding: Finding = None,
    trace: Trace = None,
    limit: Limit = None,
    format: Format = "table",  # noqa: A002 - the option's name
    home: Home = None,
) -> None:
    """Show every use that matches all filters, the newest first."""
    from keytrail import questions

    if limit is None and format == "table":
        limit = _TABLE_LIMIT
    _answer(
        home,
        format,
        lambda source: questions.uses(
            source,
            key=key,
            since=since,
            until=until,
            service=service,
            route=route,
            client=client,
            status=status,
            direction=direction,
            outcome=outcome,
            owner=owner,
            provider=provider,
            host=host,
            finding=finding,
            trace=trace,
            limit=limit or None,
        ),
    )


def _answer(home: Path | None, form: Format, ask: Callable[[Source], Answer]) -> None:
    from keytrail.questions import QuestionError
    from keytrail.report import write
    from keytrail.sources import CannotAnswer, connect

    settings = read_settings(home)
    seal_where_worthwhile(settings)
    try:
        write(ask(connect(settings)), form, sys.stdout, sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
    except QuestionError as error:
        raise CommandError(str(error), 2) from None
    except CannotAnswer as error:
        raise CommandError(str(error)) from None


def _let_go_of_stdout() -> None:
    """The reader has seen enough; what is still buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
