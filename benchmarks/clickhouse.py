"""Questions to ClickHouse over three million uses, with and without the migration.

``python -m benchmarks.clickhouse``: the real engine, in this process; the query condition cache is
off, since with it the second run of a predicate looks as if it had an index.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import clickhouse_connect
from rich.console import Console
from rich.table import Table

from keytrail.questions.keys import BY_KEY
from keytrail.sources.clickhouse import statements
from keytrail.sources.clickhouse.table import read_table
from keytrail.sources.source import Filter

USES = 3_000_000
KEYS = 5_000
RUNS = 7
_MIGRATION = Path(__file__).parents[1] / "collector-config/clickhouse/columns.sql"
_CACHE = " SETTINGS use_query_condition_cache = 0"
_TABLE = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(3)), TraceId String CODEC(ZSTD(3)),
    SpanId String CODEC(ZSTD(3)), ParentSpanId String CODEC(ZSTD(3)),
    SpanName LowCardinality(String) CODEC(ZSTD(3)),
    ServiceName LowCardinality(String) CODEC(ZSTD(3)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    Duration UInt64 CODEC(ZSTD(3)),
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


@contextmanager
def filled(uses: int) -> Iterator[Any]:
    """Yield a client of an engine with so many uses."""
    with TemporaryDirectory() as directory:
        client = clickhouse_connect.get_client(dsn=f"chdb://{directory}")
        client.command(_TABLE)
        client.command(_FILL.format(uses=uses, keys=KEYS))
        client.command("OPTIMIZE TABLE otel_traces FINAL")
        yield client


def asked(client: Any, runs: int) -> dict[str, float]:
    """Return the milliseconds of each question, the median of some runs."""
    described = client.query("DESCRIBE TABLE otel_traces").result_rows
    table = read_table("otel_traces", "here", {row[0]: row[1] for row in described}, "")
    rare = client.query(f"SELECT lower(hex(SHA256('{KEYS}')))").result_rows[0][0]
    questions: dict[str, Callable[[], statements.Statement]] = {
        "leak, a rare key": lambda: statements.uses(table, Filter(keys=(rare,)), 1000),
        "keys": lambda: statements.groups(table, Filter(), BY_KEY, once=False),
    }
    return {name: _milliseconds(client, ask(), runs) for name, ask in questions.items()}


def _milliseconds(client: Any, statement: statements.Statement, runs: int) -> float:
    took = []
    for _ in range(runs):
        begin = time.perf_counter()
        client.query(statement.sql + _CACHE, statement.values)
        took.append(time.perf_counter() - begin)
    return 1000 * median(took)


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
    options = parser.parse_args()
    with filled(options.uses) as client:
        before = asked(client, RUNS)
        migrate(client)
        after = asked(client, RUNS)
    shown = Table("question", "as it is, ms", "with the migration, ms")
    for question, took in before.items():
        shown.add_row(question, f"{took:.0f}", f"{after[question]:.0f}")
    Console().print(f"{options.uses:,} uses of {KEYS:,} keys")
    Console().print(shown)


if __name__ == "__main__":
    main()
