"""Where a ClickHouse may give a part for the whole, and what is told when it does not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cli.cli_kit import keytrail
from keytrail.questions import flow, keys, leak, usage, uses
from keytrail.settings import Settings
from keytrail.sources import CannotAnswer, Limits, connect
from keytrail.sources.source import USE_COLUMNS
from sources import clickhouse_front
from sources.clickhouse_front import run
from support.cases import F1, K1
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


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        *((status, "is the address right, and is it running?") for status in (302, 307)),
        *((status, "give user and password in the address or a profile") for status in (401, 403)),
    ],
)
def test_a_gateway_before_clickhouse_is_told(status: int, hint: str) -> None:
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
        f"clickhouse at 127.0.0.1:{port} did not answer: status {status}\nhint: {hint}"
    )


def test_a_time_limit_is_an_error_and_never_a_part(engine: int) -> None:
    """The engine stops, and says so."""
    run(engine, _USE.format(F1, "success", 500_000))
    with pytest.raises(CannotAnswer) as caught:
        list(uses(connect(Settings(), _address(engine), Limits(seconds=0.2))).rows)
    assert str(caught.value).endswith("\nhint: ask for less time, or give it more by --timeout")
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


def _one_of_each(engine: int, *keys: str) -> None:
    for number, key in enumerate(keys):
        use = _USE.replace("toString(number)", f"'{number}'")
        run(engine, use.format(key, "success", 1))


def test_a_profile_that_cuts_answers_in_its_own_way_does_not(engine: int) -> None:
    """Not by a limit of rows, nor by joins and sums that differ from SQL's."""
    _one_of_each(engine, *(f"{number}" * 64 for number in range(3)))
    run(engine, "SET limit = 1, empty_result_for_aggregation_by_empty_set = 1")
    source = connect(Settings(), _address(engine))
    assert len([*keys(source).rows]) == 3
    assert [*keys(source, service="nobody").rows] == []
    assert len([*uses(source, limit=2).rows]) == 2
    run(engine, "SET limit = 0, empty_result_for_aggregation_by_empty_set = 0")
    run(engine, "TRUNCATE TABLE otel_traces")


def test_what_is_no_fingerprint_is_told_and_never_shown(engine: int) -> None:
    """A Collector that put the key where its hash belongs: its uses are those of no key."""
    _one_of_each(engine, K1, f"{K1}2", F1)
    source = connect(Settings(), _address(engine))
    found = keys(source)
    assert sorted(((row[0], row[8]) for row in found.rows), key=str) == [(F1, 1), (None, 2)]
    assert found.completeness.reasons[0].startswith("spans have something else than a fingerprint")
    for told in (uses(source), leak(source, key=F1), usage(source), flow(source)):
        assert K1 not in repr([*told.rows, *told.tables])
    assert source.identities(K1) == ()
    run(engine, "TRUNCATE TABLE otel_traces")


def test_a_table_may_have_any_name(engine: int) -> None:
    """With points and quotes, in another database; that it forgets is told."""
    run_alone(engine, 'CREATE DATABASE IF NOT EXISTS `od"d.one`')
    table = _TABLE.replace("keytrail.otel_traces", "`od\"d.one`.`we.ird't`")
    run_alone(engine, table.format("TTL toDate(Timestamp) + toIntervalDay(9)"))
    run_alone(
        engine,
        _USE.replace("keytrail.otel_traces", "`od\"d.one`.`we.ird't`").format(F1, "success", 2),
    )
    odd = "od%22d.one"
    for address in (
        f"{_address(engine)}?table={odd}.we.ird't",
        f"clickhouse://127.0.0.1:{engine}/{odd}?table=we.ird't",
    ):
        found = keys(connect(Settings(), address))
        assert [row[8] for row in found.rows] == [2]
        assert found.completeness.reasons[-1] == "the table has a TTL: older spans are gone"


def test_a_clickhouse_that_says_nothing_is_waited_for_as_long_as_was_said() -> None:
    """Though its client would wait for five minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(CannotAnswer) as caught:
        connect(Settings(), _address(silent.getsockname()[1]), Limits(seconds=0.2))
    assert str(caught.value).endswith(
        " did not answer within 0.2 seconds\nhint: ask for less time, or give it more by --timeout"
    )
