"""Questions to ClickHouse over three million uses, with and without the migration.

``python -m benchmarks.clickhouse``: the real engine, in this process; the query condition cache is
off, since with it the second run of a predicate looks as if it had an index. With ``--repeated``
one use in ten thousand was delivered twice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import clickhouse_connect
from rich.console import Console
from rich.table import Table

from keytrail.questions import keys, leak, usage
from keytrail.sources.address import Address
from keytrail.sources.clickhouse.source import ClickHouseSource
from keytrail.sources.limits import NO_LIMITS
from keytrail.sources.source import Filter

USES = 3_000_000
KEYS = 5_000
RUNS = 7
_MIGRATION = Path(__file__).parents[1] / "collector-config/clickhouse/columns.sql"
_TABLE = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(3)), TraceId String CODEC(ZSTD(3)),
    SpanId String CODEC(ZSTD(3)), ParentSpanId String CODEC(ZSTD(3)),
    SpanName LowCardinality(String) CODEC(ZSTD(3)),
    ServiceName LowCardinality(String) CODEC(ZSTD(3)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    Duration UInt64 CODEC(ZSTD(3)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
"""
_FILL = """
INSERT INTO otel_traces SELECT
    toDateTime64('2026-11-01 00:00:00', 9) + toIntervalMicrosecond(number * 201600) AS Timestamp,
    lower(hex(MD5(toString(number)))), lower(hex(reverse(reinterpretAsFixedString(number)))), '',
    'GET /orders/{{id}}', concat('service-', toString(number % 20)),
    map('keytrail.schema_version', '1.0', 'keytrail.direction', 'incoming',
        'keytrail.key.hash', lower(hex(SHA256(toString(
            if(number % 150000 = 7, {keys},
               toUInt64(pow(cityHash64(number) / pow(2, 64), 3) * {keys})))))),
        'keytrail.outcome', if(cityHash64(number) % 20 = 0, 'denied', 'success'),
        'client.address', concat('192.0.', toString(number % 200), '.', toString(number % 251)),
        'http.request.method', 'GET', 'http.route', '/orders/{{id}}',
        'http.response.status_code', '200', 'url.path', concat('/orders/', toString(number % 9999)),
        'server.address', 'api.example.com', 'keytrail.key.location', 'header',
        'keytrail.key.field', 'x-api-key', 'keytrail.key.scheme', 'none',
        'keytrail.key.pepper_id', '8805e1a2', 'keytrail.sampled', 'false'),
    cityHash64(number) % 100000000
FROM numbers({uses})
"""
_EVENTS = ("SelectedRows", "SelectedBytes", "QueryTimeMicroseconds")
_REPEAT = """
INSERT INTO otel_traces SELECT * FROM otel_traces WHERE cityHash64(SpanId) % 10000 = 0
"""


class Spent(NamedTuple):
    """What the engine itself counts: what it read, and how long its statements took, µs."""

    rows: int
    size: int
    took: int

    def since(self, before: Spent) -> Spent:
        """Return what was spent since."""
        return Spent(*(now - then for now, then in zip(self, before, strict=True)))


class Counted:
    """A client of the engine that notes how long each statement took, in milliseconds."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.took: list[float] = []

    def query(self, sql: str, values: Any = None) -> Any:
        """Ask as the client does."""
        return self._timed(lambda: self._client.query(_uncached(sql), values))

    @contextmanager
    def query_rows_stream(self, sql: str, values: Any = None) -> Iterator[Any]:
        """Ask for everything at once: what is measured is the statement."""
        yield self.query(sql, values).result_rows

    def spent(self) -> Spent:
        """Return what the engine has spent until now."""
        events = f"SELECT event, value FROM system.events WHERE event IN {(*_EVENTS,)}"
        told = dict(self._client.query(events).result_rows)
        return Spent(*(told.get(event, 0) for event in _EVENTS))

    def _timed(self, act: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        answer = act()
        self.took.append(1000 * (time.perf_counter() - begin))
        return answer


def _uncached(sql: str) -> str:
    return f"{sql}{',' if ' SETTINGS ' in sql else ' SETTINGS'} use_query_condition_cache = 0"


class Took(NamedTuple):
    """What one question took: in all, on the processors, and each of its statements; ms."""

    whole: float
    cpu: float
    statements: list[float]
    spent: Spent


@contextmanager
def filled(uses: int, *, repeated: bool) -> Iterator[Any]:
    """Yield a client of an engine with so many uses."""
    with TemporaryDirectory() as directory:
        client = clickhouse_connect.get_client(dsn=f"chdb://{directory}")
        client.command(_TABLE)
        client.command(_FILL.format(uses=uses, keys=KEYS))
        if repeated:
            client.command(_REPEAT)
        client.command("OPTIMIZE TABLE otel_traces FINAL")
        yield client


def asked(client: Any, runs: int) -> dict[str, Took]:
    """Return what each question took, the median of some runs."""
    counted = Counted(client)
    source = ClickHouseSource(Address("clickhouse", "here"), NO_LIMITS, cast("Any", counted))
    rare = client.query(f"SELECT lower(hex(SHA256('{KEYS}')))").result_rows[0][0]
    questions: dict[str, Callable[[], object]] = {
        "uses of a rare key": lambda: [*source.uses(Filter(keys=(rare,)), 1000).rows],
        "leak of a rare key, all its tables": lambda: leak(source, key=rare),
        "keys": lambda: [*keys(source).rows],
        "keys of the last four days": lambda: [*keys(source, since="2026-11-04").rows],
        "usage by hour": lambda: [*usage(source).rows],
    }
    return {name: _median(counted, ask, runs) for name, ask in questions.items()}


def _median(counted: Counted, ask: Callable[[], object], runs: int) -> Took:
    took = []
    for _ in range(runs):
        counted.took = []
        asking = counted.spent()
        before = counted.spent()
        begin, cpu = time.perf_counter(), time.process_time()
        ask()
        whole, cpu = 1000 * (time.perf_counter() - begin), 1000 * (time.process_time() - cpu)
        spent = counted.spent().since(before).since(before.since(asking))
        took.append(Took(whole, cpu, counted.took, spent))
    return sorted(took)[runs // 2]


def insertion(client: Any, uses: int = 100_000) -> float:
    """Return the µs of CPU that it takes to insert a use into an empty table of the same shape."""
    client.command("CREATE TABLE inserted AS otel_traces")
    begin = time.process_time()
    client.command(f"INSERT INTO inserted SELECT * FROM otel_traces LIMIT {uses:d}")
    took = time.process_time() - begin
    client.command("DROP TABLE inserted SYNC")
    return 1e6 * took / uses


def sizes(client: Any, uses: int) -> dict[str, float]:
    """Return the bytes a use of the table and of each of its projections."""
    of_parts = "SELECT {} AS part, sum(bytes_on_disk) FROM system.{} WHERE active {} GROUP BY 1"
    here = "AND table = 'otel_traces' AND database = currentDatabase()"
    rows = [
        *client.query(of_parts.format("'all of it'", "parts", here)).result_rows,
        *client.query(of_parts.format("name", "projection_parts", here)).result_rows,
    ]
    return {name: size / uses for name, size in rows}


def migrate(client: Any) -> None:
    """Run the optional migration."""
    lines = _MIGRATION.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    for statement in filter(str.strip, text.split(";")):
        waits = " SETTINGS mutations_sync = 2" if " MATERIALIZE " in statement else ""
        client.command(statement + waits)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clickhouse", description=__doc__)
    parser.add_argument("--uses", type=int, default=USES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--repeated", action="store_true")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"{options.uses:,} uses of {KEYS:,} keys in 7 days")
    with filled(options.uses, repeated=options.repeated) as client:
        for state in ("as it is", "with the migration"):
            if state != "as it is":
                begin = time.perf_counter()
                migrate(client)
                console.print(f"migrated in {time.perf_counter() - begin:.0f} s")
            told = [f"{name} {size:.1f}" for name, size in sizes(client, options.uses).items()]
            console.print(f"{state}, bytes a use: {', '.join(told)}")
            console.print(f"inserted at {insertion(client):.1f} µs of CPU a use")
            console.print(_shown(asked(client, options.runs)))


def _shown(answers: dict[str, Took]) -> Table:
    columns = ("ms", "ms in the engine", "ms of CPU", "rows read", "MB", "statements", "each, ms")
    table = Table("question", *columns)
    for question, took in answers.items():
        each = " ".join(f"{one:.0f}" for one in took.statements)
        told = f"{took.whole:.0f}", f"{took.spent.took / 1000:.0f}", f"{took.cpu:.0f}"
        read = f"{took.spent.rows:,}", f"{took.spent.size / 1e6:,.1f}"
        table.add_row(question, *told, *read, str(len(took.statements)), each)
    return table


if __name__ == "__main__":
    main()
