"""The commands that bring uses into the store and out of it: ``import`` and ``export``."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TextIO

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import Home, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.sources import Filter
    from keytrail.store.importing import Imported
    from keytrail.store.store import Store

_SPANS_A_LINE: Final = 512

Files = Annotated[
    list[Path],
    typer.Argument(help="Files of OTLP/JSON lines.", metavar="FILE...", show_default=False),
]
ExportFormat = Annotated[
    Literal["otlp-json", "parquet", "csv", "ndjson", "ocsf"],
    typer.Option(
        help="Spans as OTLP/JSON lines; columns as Parquet or CSV; whole lines as NDJSON; "
        "events for a SIEM as OCSF."
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
Since = Annotated[
    str | None,
    typer.Option(help="From this time on: RFC 3339, 2h or 7d ago, today.", metavar="TIME"),
]
Until = Annotated[str | None, typer.Option(help="Up to this time.", metavar="TIME")]


def import_(files: Files, home: Home = None) -> None:
    """Bring in uses that OpenTelemetry's file exporter, or the Collector's, wrote as OTLP/JSON.

    A use that is there already stays once, so that a file may be imported again. What is no use
    is counted and told.
    """
    from keytrail.cli.signing import signer
    from keytrail.store.errors import StoreError
    from keytrail.store.importing import import_files

    settings = read_settings(home)
    try:
        done = import_files(settings.home, signer(settings), files)
    except StoreError as error:
        raise CommandError(str(error)) from None
    sys.stdout.write(f"{done.uses:,} new uses of {done.spans:,} spans\n")
    for message in _told(done):
        sys.stderr.write(f"keytrail: {message}\n")
    if done.bad:
        raise typer.Exit(1)


def _told(done: Imported) -> Iterator[str]:
    if done.duplicates:
        yield f"{done.duplicates:,} uses were there already, or are in the files twice"
    if done.foreign:
        yield f"{done.foreign:,} spans have no keytrail attributes, and tell of no key"
    if done.torn:
        yield f"{done.torn:,} files end in half a line: their writer died, or still writes"
    if done.bad:
        yield f"{done.bad:,} lines are no OTLP/JSON of spans and were passed over"


def export(
    format: ExportFormat = "ndjson",  # noqa: A002 - the option's name
    output: Output = None,
    manifest: ManifestFile = None,
    since: Since = None,
    until: Until = None,
    home: Home = None,
) -> None:
    """Write uses out, the oldest first, with everything that was recorded of them."""
    import duckdb

    from keytrail.questions import QuestionError
    from keytrail.store.errors import StoreError
    from keytrail.store.store import Store

    if format == "parquet" and output is None:
        raise CommandError("Parquet needs a file\nhint: give --output", 2)
    if manifest is not None and output is None:
        raise CommandError("a manifest is of a file\nhint: give --output", 2)
    settings = read_settings(home)
    try:
        wanted = _filter(since, until)
        with closing(Store(settings.home)) as store:
            written = _write(store, wanted, format, output)
            _warn(store, settings.home)
            judged = _judge(store, wanted, settings.home)
        sys.stderr.write(f"keytrail: exported {written:,} uses\n")
        if manifest is not None and output is not None:
            _note(manifest, output, written, judged)
    except QuestionError as error:
        raise CommandError(str(error), 2) from None
    except StoreError as error:
        raise CommandError(str(error)) from None
    except duckdb.Error as error:
        raise CommandError(
            f"the export did not end: {str(error).splitlines()[0]}\n"
            "hint: export again; `keytrail verify` tells whether a sealed file was changed"
        ) from None
    except OSError as error:
        raise CommandError(
            f"{output or 'stdout'}: {error.strerror}\nhint: give another --output"
        ) from None


def _filter(since: str | None, until: str | None) -> Filter:
    from keytrail.questions.filters import read_time
    from keytrail.sources.source import Filter

    return Filter(since=read_time("since", since), until=read_time("until", until))


def _judge(store: Store, wanted: Filter, home: Path) -> dict[str, object]:
    """Return what time was asked for, and what the export is worth."""
    from keytrail.report.values import worth
    from keytrail.sources.completeness import judge
    from keytrail.store import delivered
    from keytrail.store.moments import rfc3339

    deliveries = delivered.read(home, wanted.since, wanted.until)
    return {
        "since": None if wanted.since is None else rfc3339(wanted.since),
        "until": None if wanted.until is None else rfc3339(wanted.until),
        "completeness": worth(judge(wanted, time.time_ns(), home, store.condition, deliveries)),
    }


def _note(manifest: Path, output: Path, uses: int, judged: dict[str, object]) -> None:
    """Note what an auditor needs to see that the file is still the one that was exported."""
    from keytrail.store.ledger import sha256_of
    from keytrail.store.moments import rfc3339

    told = {
        "exported": rfc3339(time.time_ns()),
        "by": f"keytrail {version('keytrail')}",
        **judged,
        "files": [
            {
                "name": output.name,
                "bytes": output.stat().st_size,
                "sha256": sha256_of(output),
                "uses": uses,
            }
        ],
    }
    manifest.write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def _write(store: Store, wanted: Filter, form: str, output: Path | None) -> int:
    """Return how many uses were written."""
    from keytrail.sources.conditions import condition
    from keytrail.store import exporting

    where, values = condition(store, wanted)
    if form == "parquet" and output is not None:
        return exporting.to_parquet(store, where, values, output)
    with _opened(output) as data:
        if form == "otlp-json":
            return _write_spans(exporting.spans(store, where, values), data)
        return _WRITERS[form](exporting.lines(store, where, values), data)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file


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


def _write_lines(lines: Iterator[dict[str, Any]], data: TextIO) -> int:
    from keytrail.report.values import record

    written = 0
    for line in lines:
        data.write(json.dumps(record(tuple(line), tuple(line.values()))) + "\n")
        written += 1
    return written


def _write_csv(lines: Iterator[dict[str, Any]], data: TextIO) -> int:
    from keytrail.report.as_csv import write_rows
    from keytrail.sources.source import USE_COLUMNS

    written = 0

    def rows() -> Iterator[tuple[object, ...]]:
        nonlocal written
        for line in lines:
            written += 1
            yield tuple(line.get(column) for column in USE_COLUMNS)

    write_rows(USE_COLUMNS, rows(), data)
    return written


def _write_events(lines: Iterator[dict[str, Any]], data: TextIO) -> int:
    from keytrail.report.as_ocsf import event
    from keytrail.sources.source import USE_COLUMNS

    written = 0
    for line in lines:
        data.write(json.dumps(event({column: line.get(column) for column in USE_COLUMNS})) + "\n")
        written += 1
    return written


_WRITERS: Final = {
    "csv": _write_csv,
    "ndjson": _write_lines,
    "ocsf": _write_events,
}


def _warn(store: Store, home: Path) -> None:
    damaged = len(store.condition.damaged)
    if damaged:
        sys.stderr.write(
            f"keytrail: {damaged} sealed files of {home} are missing or cut, and not exported\n"
            "hint: keytrail verify\n"
        )
