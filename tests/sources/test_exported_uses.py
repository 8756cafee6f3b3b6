"""What is exported from any source is whole, or says in three places that it is not."""

from __future__ import annotations

import csv
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cli.cli_kit import keytrail
from keytrail.report.as_csv import cell
from keytrail.sources import Filter, LocalSource
from keytrail.sources.address import read_address
from keytrail.sources.source import USE_COLUMNS
from sources import seeded
from support.servers import answer, listening

_FORMS = {
    "jaeger_memory": ("ndjson",),
    "tempo": ("csv", "ndjson", "ocsf", "parquet"),
    "clickhouse": ("parquet",),
    "clickhouse_migrated": ("csv",),
}
_WHOLE_COLUMNS = [name for name in USE_COLUMNS if name != "duration"]


def _export(address: str, form: str, out: Path, *more: str) -> tuple[int, str]:
    files = ("--output", str(out), "--manifest", str(out.with_suffix(".json")))
    ran = keytrail("export", "--from", address, "--since", "1d", "--format", form, *files, *more)
    return ran.returncode, ran.stderr.decode()


def _expected(truth: LocalSource) -> list[dict[str, Any]]:
    rows = truth.uses(Filter(), None, oldest_first=True).rows
    return [dict(zip(USE_COLUMNS, row, strict=True)) for row in rows]


class _Dying(BaseHTTPRequestHandler):
    """Names a service, and breaks off in the middle of its traces."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/services"):
            answer(self, 200, b'{"data": ["shop"]}')
        else:
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": [')

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("address", "form"),
    [(source, form) for source, forms in _FORMS.items() for form in forms],
    indirect=["address"],
)
def test_every_form_has_every_use_and_its_hash(
    truth: LocalSource, address: str, form: str, tmp_path: Path
) -> None:
    """The oldest first, as the journal has them; the manifest says what they are worth."""
    out = tmp_path / f"uses.{form}"
    code, said = _export(address, form, out)
    assert (code, said.count("keytrail: exported 307 uses, bounded: ")) == (0, 1), said
    _READ[form](out, _expected(truth))
    told = json.loads(out.with_suffix(".json").read_text())
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert [(one["sha256"], one["uses"]) for one in told["files"]] == [(digest, 307)]
    assert (told["whole"], told["completeness"]["worth"]) == (True, "bounded")
    assert told["from"] == str(read_address(address))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, "uses.json"])


def _read_csv(out: Path, expected: list[dict[str, Any]]) -> None:
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["span_id"] for row in rows] == [str(use["span_id"]) for use in expected]
    for name in ("key", "status", "findings", "sampled", "trace_id"):
        told = ["" if use[name] is None else str(cell(use[name])) for use in expected]
        assert [row[name] for row in rows] == told


def _read_lines(out: Path, expected: list[dict[str, Any]]) -> None:
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    names = [name for name in _WHOLE_COLUMNS if name != "time"]
    assert [[line.get(name) for name in names] for line in lines] == [
        [use[name] for name in names] for use in expected
    ]


def _read_events(out: Path, expected: list[dict[str, Any]]) -> None:
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["metadata"]["uid"] for event in events] == [use["span_id"] for use in expected]
    assert {event["class_uid"] for event in events} == {6003}


def _read_parquet(out: Path, expected: list[dict[str, Any]]) -> None:
    columns = ", ".join(_WHOLE_COLUMNS)
    rows = duckdb.connect().execute(f"SELECT {columns} FROM read_parquet('{out}')").fetchall()
    assert rows == [tuple(use[name] for name in _WHOLE_COLUMNS) for use in expected]


_READ = {"csv": _read_csv, "ndjson": _read_lines, "ocsf": _read_events, "parquet": _read_parquet}


@pytest.mark.parametrize("address", ["jaeger_memory", "tempo"], indirect=True)
def test_an_export_that_is_cut_never_looks_whole(address: str, tmp_path: Path) -> None:
    """Exit code, stderr and manifest say it; the file is there for whom it is enough."""
    out = tmp_path / "uses.ndjson"
    code, said = _export(address, "ndjson", out, "--max-rows", "50")
    assert code == 1
    written = len(out.read_text().splitlines())
    assert 0 < written <= 50
    assert f"keytrail: exported {written} uses, truncated: " in said
    assert "\n  stopped after 50 uses\n" in said
    assert "keytrail: the export is not whole: more uses may match than were read\nhint: " in said
    told = json.loads(out.with_suffix(".json").read_text())
    assert (told["whole"], told["completeness"]["worth"]) == (False, "truncated")
    assert told["files"][0]["uses"] == written


def test_a_source_that_dies_leaves_the_export_before_as_it_was(tmp_path: Path) -> None:
    """Neither half a file nor a manifest of another one."""
    out = tmp_path / "uses.ndjson"
    out.write_text("before\n")
    with listening(_Dying) as port:
        code, said = _export(f"jaeger://127.0.0.1:{port}", "ndjson", out)
    assert (code, said.startswith(f"keytrail: jaeger at 127.0.0.1:{port} ")) == (1, True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("uses.ndjson", "before\n")
    ]


def test_a_clickhouse_in_the_middle_of_its_answer_leaves_nothing(
    clickhouse: str, tmp_path: Path
) -> None:
    """A limit is an error, and no shorter answer, whether the server or we look first."""
    out = tmp_path / "uses.csv"
    code, said = _export(clickhouse, "csv", out, "--timeout", "0.000001")
    assert code == 1
    assert "did not answer: code 159" in said or "did not answer within 1e-06 seconds" in said
    assert list(tmp_path.iterdir()) == []


def test_spans_are_of_the_local_journal_alone(tmp_path: Path) -> None:
    """What no source gives back is not asked for."""
    code, said = _export("tempo+http://127.0.0.1:1", "otlp-json", tmp_path / "uses.jsonl")
    assert (code, said) == (
        2,
        "keytrail: only the local journal has whole spans\nhint: give another --format\n",
    )


def test_the_uses_of_a_source_go_through_a_pipe(truth: LocalSource, tempo: str) -> None:
    """To stdout as they are; what they are worth to stderr."""
    ran = keytrail("export", "--from", tempo, "--since", "1d")
    assert len(ran.stdout.splitlines()) == len(seeded.uses()) == len(_expected(truth))
    assert ran.returncode == 0
