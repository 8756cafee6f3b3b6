"""The command that brings uses out of a source as files: ``export``."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, TextIO

import typer

from keytrail.cli.cancelling import cancellable, ending_at_once
from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, read_settings
from keytrail.cli.question import (
    From,
    Progress,
    RowLimit,
    Since,
    TimeLimit,
    Until,
    let_go_of_stdout,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.settings import Settings
    from keytrail.sources import Filter, Limits
    from keytrail.sources.export import Export

_SPANS_A_LINE: Final = 512

ExportFormat = Annotated[
    Literal["otlp-json", "parquet", "csv", "ndjson", "ocsf"],
    typer.Option(
        help="Columns as Parquet or CSV; whole lines as NDJSON; events for a SIEM as OCSF; "
        "of the local journal, spans as OTLP/JSON lines."
    ),
]
Output = Annotated[
    Path | None, typer.Option(help="File to write, instead of stdout.", metavar="FILE")
]
ManifestFile = Annotated[
    Path | None,
    typer.Option(
        "--manifest", help="File to note the export's SHA-256 and what is in it.", metavar="FILE"
    ),
]


class _Wish(NamedTuple):
    wanted: Filter
    form: str
    output: Path | None
    manifest: Path | None


def export(
    format: ExportFormat = "ndjson",  # noqa: A002 - the option's name
    output: Output = None,
    manifest: ManifestFile = None,
    since: Since = None,
    until: Until = None,
    source: From = None,
    timeout: TimeLimit = None,
    max_rows: RowLimit = None,
    home: Home = None,
) -> None:
    """Write uses out, the oldest first, with everything that was recorded of them.

    An export that is not whole says so, in its manifest too, and exits with 1.
    """
    with ending_at_once():
        from keytrail.questions import QuestionError
        from keytrail.questions.filters import read_times
        from keytrail.sources import CannotAnswer, Limits

    if format == "parquet" and output is None:
        raise CommandError("Parquet needs a file\nhint: give --output", 2)
    if manifest is not None and output is None:
        raise CommandError("a manifest is of a file\nhint: give --output", 2)
    if format == "otlp-json" and source is not None:
        raise CommandError("only the local journal has whole spans\nhint: give another --format", 2)
    settings = read_settings(home)
    progress = Progress(sys.stderr)
    limits = Limits(timeout, max_rows, progress)
    try:
        wish = _Wish(read_times(since, until), format, output, manifest)
        with progress:
            cancellable(lambda: _export(settings, source, limits, wish), limits.interrupt)
    except QuestionError as error:
        raise CommandError(str(error), 2) from None
    except CannotAnswer as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        let_go_of_stdout()
        raise CommandError(f"stdout: {error.strerror}\nhint: give an --output") from None


def _export(settings: Settings, source: str | None, limits: Limits, wish: _Wish) -> None:
    with _opened(settings, source, limits, wish.wanted) as export:
        written = _write(export, wish)
    _tell(export, written)
    if wish.manifest is not None and wish.output is not None:
        _note(wish.manifest, wish.output, written, wish.wanted, export)
    if export.missing is not None:
        raise CommandError(
            f"the export is not whole: {export.missing}\nhint: the lines above say why"
        )


@contextmanager
def _opened(
    settings: Settings, source: str | None, limits: Limits, wanted: Filter
) -> Iterator[Export]:
    from keytrail.sources import connect
    from keytrail.sources.address import read_address
    from keytrail.sources.export import of_journal, of_source

    if source is None:
        with of_journal(settings.home, wanted, limits) as export:
            yield export
        return
    origin = str(read_address(source))
    with (
        closing(connect(settings, source, limits)) as connected,
        of_source(connected, origin, wanted) as export,
    ):
        yield export


def _write(export: Export, wish: _Wish) -> int:
    """Return how many uses were written."""
    if wish.output is None:
        written = _write_text(export, wish.form, sys.stdout)
        sys.stdout.flush()
        return written
    with _replacing(wish.output, "--output") as path:
        if wish.form == "parquet":
            return export.to_parquet(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            return _write_text(export, wish.form, file)


@contextmanager
def _replacing(output: Path, option: str) -> Iterator[Path]:
    """Give a path that takes the place of ``output`` when all is written: a part is never there."""
    try:
        if output.exists() and not output.is_file():
            yield output
        else:
            with _drafted(output.resolve()) as draft:
                yield draft
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror}\nhint: give another {option}") from None


@contextmanager
def _drafted(whole: Path) -> Iterator[Path]:
    draft = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        draft.touch()
        yield draft
        draft.replace(whole)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _write_text(export: Export, form: str, data: TextIO) -> int:
    from keytrail.report.exports import write_uses

    if form == "otlp-json" and export.spans is not None:
        return _write_spans(export.spans(), data)
    return write_uses(export.lines(), form, data)


def _write_spans(spans: Iterator[Any], data: TextIO) -> int:
    from keytrail.store.otlp_json import to_json

    written = without = 0
    batch: list[Any] = []
    for span in spans:
        if span is None:
            without += 1
            continue
        batch.append(span)
        written += 1
        if len(batch) == _SPANS_A_LINE:
            data.write(to_json(batch) + "\n")
            batch.clear()
    if batch:
        data.write(to_json(batch) + "\n")
    if without:
        sys.stderr.write(f"keytrail: {without:,} uses are no spans and were left out\n")
    return written


def _tell(export: Export, written: int) -> None:
    from keytrail.report.text import plain
    from keytrail.report.values import span_of_time

    told = export.completeness
    uses = "1 use" if written == 1 else f"{written:,} uses"
    sys.stderr.write(f"keytrail: exported {uses}, {told.worth}{span_of_time(told)}\n")
    for reason in told.reasons:
        sys.stderr.write(f"  {plain(reason)}\n")


def _note(manifest: Path, output: Path, uses: int, wanted: Filter, export: Export) -> None:
    """Note what an auditor needs to see that the file is still the one that was exported."""
    from keytrail.report.values import worth
    from keytrail.store.ledger import sha256_of
    from keytrail.store.moments import rfc3339

    told = {
        "exported": rfc3339(time.time_ns()),
        "by": f"keytrail {version('keytrail')}",
        "from": export.origin,
        "since": None if wanted.since is None else rfc3339(wanted.since),
        "until": None if wanted.until is None else rfc3339(wanted.until),
        "whole": export.missing is None,
        "completeness": worth(export.completeness),
        "files": [
            {
                "name": output.name,
                "bytes": output.stat().st_size,
                "sha256": sha256_of(output),
                "uses": uses,
            }
        ],
    }
    with _replacing(manifest, "--manifest") as path:
        path.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
