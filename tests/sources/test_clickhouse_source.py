"""Where a ClickHouse may give a part for the whole, and what is told when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cli.cli_kit import keytrail
from keytrail.questions import keys, uses
from keytrail.settings import Settings
from keytrail.sources import CannotAnswer, Limits, connect
from keytrail.sources.source import USE_COLUMNS
from sources import clickhouse_front
from sources.clickhouse_front import run
from support.cases import F1
from support.servers import answer, listening

_TABLE = """
CREATE TABLE keytrail.otel_traces (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String,
    ServiceName LowCardinality(String), SpanAttributes Map(LowCardinality(String), String),
    Duration Int64
) ENGINE = MergeTree ORDER BY Timestamp {}
"""
_USE = """
INSERT INTO keytrail.otel_traces SELECT now64(9), leftPad(toString(number), 32, '0'),
    leftPad('1', 16, '0'), '', 'shop', map('keytrail.schema_version', '1.0', 'keytrail.key.hash',
    '{}', 'keytrail.direction', 'incoming', 'keytrail.outcome', '{}'), 1000 FROM numbers({})
"""


def _engine(directory: Path, refused: str = "", ttl: str = "") -> Iterator[int]:
    with clickhouse_front.clickhouse(directory, refused) as port:
        run_alone(port, "CREATE DATABASE keytrail")
        run_alone(port, _TABLE.format(ttl))
        yield port


def run_alone(port: int, statement: str) -> None:
    """Run a statement outside of the database, which may not be there yet."""
    run(port, statement, database="default")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An engine with a table as the exporter made it before mid-2024."""
    yield from _engine(tmp_path_factory.mktemp("engine"))


def _address(port: int) -> str:
    return f"clickhouse://127.0.0.1:{port}/keytrail"


def test_a_use_that_is_there_several_times_counts_once(engine: int) -> None:
    """The exporter delivers at least once; the record with an end is the one that is told."""
    for outcome in ("unknown", "denied", "unknown", "denied"):
        run(engine, _USE.format(F1, outcome, 3))
    source = connect(Settings(), _address(engine))
    (row,) = keys(source).rows
    assert row[8:11] == (3, 0, 3)
    place = USE_COLUMNS.index("outcome")
    assert [use[place] for use in uses(source).rows] == ["denied"] * 3
    run(engine, "TRUNCATE TABLE otel_traces")


def test_an_empty_table_is_no_fault(engine: int) -> None:
    """No uses, from no time on."""
    answer = keys(connect(Settings(), _address(engine)))
    assert list(answer.rows) == []
    assert answer.completeness.begins is None
    assert answer.completeness.worth == "bounded"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/keytrail?table=nothing", "did not answer: code 60\nhint: name the table by ?table=, "),
        ("/nowhere", "did not answer: code 81\nhint: name the database by the address's path"),
        (
            "/keytrail?table=system.one",
            "has no column Duration\nhint: name the table of the Collector's ClickHouse exporter",
        ),
    ],
)
def test_what_is_not_there_is_told(engine: int, path: str, message: str) -> None:
    """What, where, and the next step."""
    with pytest.raises(CannotAnswer) as caught:
        connect(Settings(), f"clickhouse://127.0.0.1:{engine}{path}")
    assert message in str(caught.value)
    assert f"clickhouse at 127.0.0.1:{engine}" in str(caught.value)


def test_a_clickhouse_that_is_not_there_is_told() -> None:
    """As any other backend: by what the network says, and by nothing on stderr beside it."""
    ran = keytrail("keys", "--from", "clickhouse://127.0.0.1:1/keytrail")
    assert (ran.returncode, ran.stderr.decode()) == (
        1,
        "keytrail: clickhouse at 127.0.0.1:1 cannot be reached: connection refused\n"
        "hint: is the address right, and is it running?\n",
    )


@pytest.mark.parametrize("status", [302, 307, 401, 403])
def test_a_gateway_before_clickhouse_is_told(status: int) -> None:
    """By its status; and none of its words, nor where it points to."""
    asked: list[str] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path.partition("?")[0])
            answer(self, status, b"<html>secret</html>", Location="/elsewhere")

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with listening(Gateway) as port, pytest.raises(CannotAnswer) as caught:
        connect(Settings(), f"clickhouse://127.0.0.1:{port}/keytrail")
    assert set(asked) == {"/"}
    assert str(caught.value) == (
        f"clickhouse at 127.0.0.1:{port} did not answer: status {status}\n"
        "hint: is the address right, and is it running?"
    )


def test_a_time_limit_is_an_error_and_never_a_part(engine: int) -> None:
    """The engine stops, and says so."""
    run(engine, _USE.format(F1, "success", 500_000))
    source = connect(Settings(), _address(engine), Limits(seconds=0.002))
    with pytest.raises(CannotAnswer) as caught:
        list(uses(source).rows)
    assert str(caught.value).endswith(
        "code 159\nhint: ask for less time, or give it more by --timeout"
    )
    run(engine, "TRUNCATE TABLE otel_traces")


def test_a_profile_that_may_cut_answers_is_told(tmp_path: Path) -> None:
    """Where the overflow modes cannot be set, nobody knows whether an answer is whole."""
    for port in _engine(tmp_path, refused="timeout_overflow_mode", ttl="TTL toDate(Timestamp)"):
        worth = keys(connect(Settings(), _address(port))).completeness
        assert worth.worth == "truncated"
        assert [reason.partition(":")[0] for reason in worth.reasons] == [
            "this user may not forbid that a part is given for the whole (overflow modes)",
            "what still waits in the journals of services is not in it",
            "the table has a TTL",
        ]
