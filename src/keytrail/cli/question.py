"""What the commands that ask the record have in common: filters, a source, a format."""

from __future__ import annotations

import functools
import inspect
import math
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from keytrail.cli.cancelling import cancellable, ending_at_once
from keytrail.cli.errors import CommandError
from keytrail.cli.keys import read_fingerprints
from keytrail.cli.options import Format, Home, read_settings
from keytrail.cli.sealing import seal_where_worthwhile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keytrail.questions import Answer
    from keytrail.sources import Source

Key = Annotated[
    str | None,
    typer.Option(
        help="A fingerprint, its first 8 or more digits, or a public key id; "
        "- reads the key itself from stdin.",
        metavar="ID",
    ),
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
Where = Annotated[
    list[str] | None,
    typer.Option(help="Any other column: column=value; may be repeated.", metavar="COLUMN=VALUE"),
]
_FILTERS: Final[dict[str, object]] = {
    "key": Key,
    "since": Since,
    "until": Until,
    "service": Service,
    "route": Route,
    "client": Client,
    "status": Status,
    "direction": Direction,
    "outcome": Outcome,
    "owner": Owner,
    "provider": Provider,
    "host": Host,
    "finding": Finding,
    "trace": Trace,
    "where": Where,
}


From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Source to ask instead of the local journal: an address such as "
        "clickhouse://host/database, jaeger+http://host:16686 or tempo+https://host, or a profile.",
        metavar="SOURCE",
    ),
]


def _some_time(seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < math.inf:
        raise typer.BadParameter("give a number of seconds above 0")
    return seconds


TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        help="Seconds after which the answer is cut.",
        metavar="SECONDS",
        callback=_some_time,
    ),
]
RowLimit = Annotated[
    int | None,
    typer.Option(help="Most uses read from a source that must be searched.", min=1, metavar="N"),
]
_COMMON: Final[dict[str, object]] = {
    "source": From,
    "timeout": TimeLimit,
    "max_rows": RowLimit,
    "format": Format,
    "home": Home,
}
_WIDTH: Final = 78
_DEFAULTS: Final = {"format": "table"}


@dataclass(frozen=True, slots=True)
class Asking:
    """What was given on the command line, and the way to the answer."""

    filters: dict[str, Any]
    source: str | None
    format: Format
    home: Path | None
    timeout: float | None = None
    max_rows: int | None = None

    def __call__(self, ask: Callable[[Source], Answer]) -> None:
        """Write what ``ask`` finds out from the source.

        Raises:
            CommandError: the question means nothing, or the source cannot answer it.
        """
        with ending_at_once():
            from keytrail.questions import QuestionError
            from keytrail.report import write
            from keytrail.sources import CannotAnswer, Limits, connect

        settings = read_settings(self.home)
        if self.filters.get("key") == "-":
            self.filters["key"] = read_fingerprints(settings)
        if self.source is None:
            seal_where_worthwhile(settings)
        progress = Progress(sys.stderr)
        limits = Limits(self.timeout, self.max_rows, progress)

        def answer() -> None:
            with progress, closing(connect(settings, self.source, limits)) as source:
                found = ask(source)
                progress.clear()
                write(found, self.format, sys.stdout, sys.stderr)
                sys.stdout.flush()

        try:
            cancellable(answer, limits.interrupt)
        except BrokenPipeError:
            let_go_of_stdout()
        except OSError as error:
            let_go_of_stdout()
            raise CommandError(
                f"stdout: {error.strerror}\nhint: is there room where it goes?"
            ) from None
        except QuestionError as error:
            raise CommandError(str(error), 2) from None
        except CannotAnswer as error:
            raise CommandError(str(error)) from None


class Progress:
    """Tells a person at a terminal how far a search is, in one line that is written over."""

    def __init__(self, talk: TextIO) -> None:
        self._talk = talk
        self._is_seen = talk.isatty()
        self._is_shown = False

    def __call__(self, text: str) -> None:
        """Show ``text``."""
        from keytrail.report.text import plain

        if self._is_seen:
            self._write(plain(text)[:_WIDTH])
            self._is_shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._write("")
            self._is_shown = False

    def __enter__(self) -> None:
        """Nothing is shown yet."""

    def __exit__(self, *_: object) -> None:
        """Leave the line to what is said next."""
        self.clear()

    def _write(self, text: str) -> None:
        self._talk.write(f"\r\x1b[K{text}")
        self._talk.flush()


def question(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is :class:`Asking`, the common options before its own.

    Typer reads them from the signature.
    """
    _, *own = inspect.signature(command, eval_str=True).parameters.values()

    @functools.wraps(command)
    def run(**options: Any) -> None:
        filters = {name: options.pop(name) for name in _FILTERS}
        common = {name: options.pop(name) for name in _COMMON}
        command(Asking(filters, **common), **options)

    required = [parameter for parameter in own if parameter.default is parameter.empty]
    optional = [parameter for parameter in own if parameter not in required]
    parameters = [
        *required,
        *(_option(*common) for common in (_FILTERS | _COMMON).items()),
        *optional,
    ]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _option(name: str, hint: object) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=_DEFAULTS.get(name), annotation=hint)


def let_go_of_stdout() -> None:
    """The reader has seen enough; what is still buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
