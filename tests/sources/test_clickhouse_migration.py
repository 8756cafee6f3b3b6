"""A migrated ClickHouse answers as one that is not: whole, half, and with spans told twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keytrail import questions
from keytrail.questions.keys import BY_KEY
from keytrail.settings import Settings
from keytrail.sources import connect
from keytrail.sources.clickhouse.statements import groups
from keytrail.sources.clickhouse.table import ADDED, REST
from keytrail.sources.source import Filter
from sources import clickhouse_front
from sources.clickhouse_front import migrate, run, statements
from support.cases import F1, F2
from support.waiting import eventually

_TABLE = """
CREATE TABLE {} (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String,
    SpanName LowCardinality(String), ServiceName LowCardinality(String),
    SpanAttributes Map(LowCardinality(String), String), Duration UInt64
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
"""
_USE = """
INSERT INTO otel_traces SELECT
    toDateTime64('2026-11-20 10:00:00', 9) + toIntervalMinute(number) + toIntervalDay(number % 5),
    leftPad(toString(number), 32, '0'), leftPad('1', 16, '0'), '', 'GET', 'shop',
    mapUpdate(map('keytrail.schema_version', '1.0', 'keytrail.direction', 'incoming',
        'keytrail.key.hash', if(number % 3 = 0, '{hash}', '{other}'),
        'keytrail.key.name', 'a "key"',
        'http.status_code', '200', 'keytrail.findings', '["weak","decoy"]',
        'client.address', {clients}[number % 7 + 1], 'url.path', '/orders'), {more})
    , 1000000 FROM numbers({begin}, {count})
"""
_CALLS = """
INSERT INTO otel_traces SELECT Timestamp + toIntervalSecond(1 + call.number), TraceId,
    leftPad(toString(call.number + 2), 16, '0'), if(call.number = 0, SpanId, leftPad('2', 16, '0')),
    SpanName, ServiceName, mapUpdate(SpanAttributes, map('keytrail.key.hash', repeat('5e', 32),
        'keytrail.outcome', 'success', 'server.address', 'stock',
        'keytrail.key.other_hashes', format('["{}"]', SpanAttributes['keytrail.key.hash']),
        'keytrail.direction', if(call.number = 0, 'outgoing', 'incoming'))), Duration
FROM otel_traces CROSS JOIN numbers(2) AS call
WHERE SpanAttributes['keytrail.outcome'] != 'unknown'
"""
_MORE = """
INSERT INTO otel_traces SELECT Timestamp, TraceId, leftPad(toString(more.number + 2), 16, '0'),
    ParentSpanId, SpanName, ServiceName, SpanAttributes, Duration
FROM otel_traces CROSS JOIN numbers(1000) AS more
"""
_AT_ANOTHER_ADDRESS = """
INSERT INTO otel_traces SELECT Timestamp, leftPad(TraceId, 32, 'a'), SpanId, ParentSpanId, SpanName,
    ServiceName, mapUpdate(SpanAttributes, map('keytrail.key.hash', '{}',
    'client.address', '10.9.9.9')), Duration
FROM otel_traces LIMIT 5
"""
RARE, SENT = "7a" * 32, "5e" * 32
ROTATED, LIKE_ONE, NEVER = "9b" * 32, "1d" * 32, "0f" * 32
_BEGIN, _DAY = 1_795_168_800 * 10**9, 86_400 * 10**9
_WANTED = (
    (Filter(), 1000),
    (Filter(), 2),
    (Filter(), None),
    (Filter(since=_BEGIN + _DAY, until=_BEGIN + 3 * _DAY), 1000),
    (Filter(equal=(("outcome", "denied"),)), 1000),
)
_CLIENTS = ["10.0.0.1", "10.0.0.2", "0.0.0.0", "2001:db8::1", "010.0.0.1", "host", ""]
_RUNNING = {"keytrail.outcome": "unknown"}
_ENDED = {"keytrail.outcome": "denied", "http.route": "/orders/{id}"}
_ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("keys", {}),
    ("uses", {}),
    ("keys", {"key": F1}),
    ("keys", {"since": "2026-11-21T00:00:00Z"}),
    ("uses", {"key": F2[:12], "status": "2xx"}),
    ("uses", {"finding": "decoy"}),
    ("usage", {"every": "all", "by": ("route", "client")}),
    ("leak", {"key": F1}),
    ("leak", {"key": F2, "since": "2026-11-21T00:00:00Z", "until": "2026-11-23T00:00:00Z"}),
)


def _insert(port: int, begin: int, count: int, more: dict[str, str]) -> None:
    run(
        port,
        _USE.format(hash=F1, other=F2, clients=_CLIENTS, more=_map(more), begin=begin, count=count),
    )


def _map(attributes: dict[str, str]) -> str:
    return "map(" + ", ".join(f"'{one}'" for pair in attributes.items() for one in pair) + ")"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An engine with the database of the exporter."""
    with clickhouse_front.clickhouse(tmp_path_factory.mktemp("migrating")) as port:
        run(port, "CREATE DATABASE keytrail", database="default")
        yield port


@pytest.fixture
def table(engine: int) -> int:
    """The engine with a table of uses some of which were told while they ran, and in parts."""
    run(engine, "DROP TABLE IF EXISTS otel_traces SYNC")
    run(engine, _TABLE.format("otel_traces"))
    _insert(engine, 0, 60, _RUNNING)
    _insert(engine, 20, 80, _ENDED)
    return engine


def _answers(port: int, most: int = len(_ASKED)) -> list[Any]:
    """Return every row of the first questions."""
    source = connect(Settings(), f"clickhouse://127.0.0.1:{port}/keytrail")
    found = []
    for name, options in _ASKED[:most]:
        answer = getattr(questions, name)(source, **options)
        found.append([[*answer.rows], [[*part.rows] for part in answer.tables]])
    return found


def test_each_step_of_the_migration_leaves_every_answer_as_it_is(table: int) -> None:
    """Half-applied, while spans go on to arrive, some of them again."""
    steps = statements("columns.sql")
    expected = _answers(table)
    for step in steps:
        run(table, step)
        assert _answers(table, 2) == expected[:2], step
    assert _answers(table) == expected
    _insert(table, 90, 40, _ENDED)
    migrated = _answers(table)
    run(table, "RENAME TABLE otel_traces TO migrated")
    run(table, _TABLE.format("otel_traces"))
    run(table, "INSERT INTO otel_traces SELECT * FROM migrated")
    assert migrated == _answers(table)
    run(table, "DROP TABLE migrated SYNC")


def test_a_leak_of_what_is_many_is_told_by_the_server(
    table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are the same, whether the uses are few enough to be read once or not."""
    run(table, _CALLS)
    migrate(table, "columns.sql")
    few = [*_leaks(table)]
    told = {part.name for answer in few for part in answer.tables if part.rows}
    assert {"caused", "sent", "ends", "beside", "touched", "other_keys"} <= told
    monkeypatch.setattr("keytrail.sources.clickhouse.reading._MOST", 3)
    monkeypatch.setattr("keytrail.sources.clickhouse.reading._MOST_NARROW", 3)
    many = [*_leaks(table)]
    assert [answer.rows for answer in few] == [answer.rows for answer in many]
    assert [answer.tables for answer in few] == [answer.tables for answer in many]


def _leaks(port: int) -> Iterator[questions.Answer]:
    source = connect(Settings(), f"clickhouse://127.0.0.1:{port}/keytrail")
    for key in (F2, SENT):
        yield questions.leak(source, key=key)
        yield questions.leak(source, key=key, since="2026-11-22T00:00:00Z", limit=5)


def test_who_a_key_is_told_by_its_own_uses(table: int) -> None:
    """As by the sums: with a rotated pepper, an id like a fingerprint, many uses, and none."""
    run(table, _MORE)
    rotated = {"keytrail.key.hash": ROTATED, "keytrail.key.previous_hash": RARE}
    _insert(table, 200, 3, {**_ENDED, **rotated})
    _insert(table, 203, 3, {**_ENDED, "keytrail.key.hash": SENT, "keytrail.key.id": LIKE_ONE})
    migrate(table, "columns.sql")
    source = connect(Settings(), f"clickhouse://127.0.0.1:{table}/keytrail")
    for start in (F1, ROTATED, RARE, SENT, LIKE_ONE, NEVER, F1[:12]):
        expected = source.identities(start)
        assert bool(expected) == (start != NEVER)
        with source.reading() as reading:
            assert reading.identities(start) == expected, start
            for wanted, limit in _WANTED:
                of_key = replace(wanted, keys=(start,))
                told, asked = (one.uses(of_key, limit) for one in (reading, source))
                assert [*told.rows] == [*asked.rows]
                assert told.completeness.worth == asked.completeness.worth
                assert told.completeness.reasons == asked.completeness.reasons


def test_uses_of_a_key_s_fingerprints_are_told_together(table: int) -> None:
    """Each was read by itself to tell who it is; the newest of both come first."""
    migrate(table, "columns.sql")
    source = connect(Settings(), f"clickhouse://127.0.0.1:{table}/keytrail")
    both = Filter(keys=(F1, F2))
    with source.reading() as reading:
        for key in both.keys or ():
            reading.identities(key)
        assert [*reading.uses(both, 40).rows] == [*source.uses(both, 40).rows]


def test_what_was_done_can_be_undone(table: int) -> None:
    """Step by step, each of which may be repeated, and every answer stays as it is."""
    expected = _answers(table)
    migrate(table, "columns.sql")
    for step in statements("undo.sql"):
        run(table, step)
        run(table, step)
        assert _answers(table, 2) == expected[:2], step
    assert _answers(table) == expected
    shown = run(table, "SHOW CREATE TABLE otel_traces")
    assert "eytrail" not in shown.partition("(")[2]


def test_an_older_migration_is_told_what_to_run(table: int) -> None:
    """It answers as it did, and says that the columns are not all there."""
    expected = _answers(table)
    migrate(table, "columns.sql")
    assert not _told_to_migrate(table)
    run(table, "ALTER TABLE otel_traces DROP PROJECTION keytrail_by_client")
    run(table, "ALTER TABLE otel_traces DROP INDEX keytrail_other_keys")
    run(table, "ALTER TABLE otel_traces DROP COLUMN KeytrailOtherKeys")
    assert _answers(table) == expected
    assert _told_to_migrate(table)
    migrate(table, "columns.sql")
    assert not _told_to_migrate(table)
    assert _answers(table) == expected


def _told_to_migrate(port: int) -> bool:
    source = connect(Settings(), f"clickhouse://127.0.0.1:{port}/keytrail")
    return any(
        "run columns.sql" in reason for reason in questions.keys(source).completeness.reasons
    )


def test_a_use_that_found_its_route_while_it_ran_counts_once(table: int) -> None:
    """Its two records belong to different groups; the one with an end is told."""
    rows = questions.usage(
        connect(Settings(), f"clickhouse://127.0.0.1:{table}/keytrail"), every="all", by=("route",)
    )
    told = {row[rows.columns.index("route")]: row[rows.columns.index("uses")] for row in rows.rows}
    assert told == {None: 20, "/orders/{id}": 80}


def test_the_questions_read_the_projections(table: int) -> None:
    """The engine takes them only where the expressions are theirs, and there is less to read."""
    run(table, _MORE)
    migrate(table, "columns.sql")
    running = "SELECT count() FROM system.mutations WHERE NOT is_done"
    eventually(lambda: run(table, running).strip() == "0")
    source = connect(Settings(), f"clickhouse://127.0.0.1:{table}/keytrail")
    asked: list[str] = []
    ask = source._client.query_rows_stream  # type: ignore[attr-defined]

    def noted(sql: str, values: dict[str, object]) -> Any:
        plan = source._client.query(f"EXPLAIN {sql}", values).result_rows  # type: ignore[attr-defined]
        asked.extend(re.findall(r"ReadFromMergeTree \(([\w.]+)\)", str(plan)))
        return ask(sql, values)

    source._client.query_rows_stream = noted  # type: ignore[attr-defined]
    of_no_repeats = groups(source._table, Filter(), BY_KEY, once=False)  # type: ignore[attr-defined]
    list(source._rows(of_no_repeats))  # type: ignore[attr-defined]
    assert asked == ["keytrail_keys"]
    asked.clear()
    run(table, _AT_ANOTHER_ADDRESS.format(RARE))
    list(questions.uses(source, key=RARE).rows)
    assert asked == ["keytrail_keys", "keytrail_by_key"]
    asked.clear()
    questions.leak(source, key=RARE)
    by_named, by_trace = "keytrail.otel_traces", "keytrail.otel_traces"
    assert asked == [by_named, "keytrail_by_key", "keytrail_by_client", by_trace]


def test_the_migrations_have_every_column_and_attribute() -> None:
    """What the source expects in a column is what fills it, on one machine and on a cluster."""
    kept_by = {
        "columns.sql": r"name IN \((.*?)\)",
        "columns-json.sql": r"value != '', map\((.*?)\n        \)",
        "cluster.sql": r"name IN \((.*?)\)",
    }
    for name, pattern in kept_by.items():
        text = "\n".join(statements(name))
        added = set(re.findall(r"\b(Keytrail\w+) (?:LowCardinality|String|UInt|Array)", text))
        assert added == ADDED, name
        (kept,) = re.findall(pattern, text, re.DOTALL)
        assert set(re.findall(r"'([a-z._]+)'", kept)) - {"null"} == set(REST), name


def test_a_table_of_json_gets_the_same_projections() -> None:
    """What is not read from the attributes is the same statement."""
    of_map, of_json = (
        [step for step in statements(name) if "SpanAttributes" not in step]
        for name in ("columns.sql", "columns-json.sql")
    )
    assert of_map == of_json


def test_the_table_of_a_cluster_is_what_the_migration_makes(table: int) -> None:
    """The same columns and projections; without Keeper only its engine differs."""
    migrate(table, "columns.sql")
    on_each_shard = statements("cluster.sql")[1].replace(" ON CLUSTER audit", "")
    run(table, re.sub(r"Replicated(MergeTree)\(.*?\)", r"\1", on_each_shard))
    shape = """
        SELECT name, type, default_expression FROM system.columns WHERE database = 'keytrail'
        AND table = '{}' AND name LIKE 'Keytrail%' ORDER BY name
    """
    made = run(table, shape.format("otel_traces_local"))
    assert made == run(table, shape.format("otel_traces"))
    projections = "SELECT name, query FROM system.projections WHERE table = '{}' ORDER BY name"
    assert run(table, projections.format("otel_traces_local")) == run(
        table, projections.format("otel_traces")
    )


def test_what_is_deleted_is_gone_from_the_projections(table: int) -> None:
    """An erasure reaches the sums too."""
    migrate(table, "columns.sql")
    run(table, f"DELETE FROM otel_traces WHERE SpanAttributes['keytrail.key.hash'] = '{F1}'")
    ((rows, _),) = _answers(table, 1)
    assert [(row[0], row[8]) for row in rows] == [(F2, 66)]
