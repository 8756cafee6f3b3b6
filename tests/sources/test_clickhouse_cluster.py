"""The tables of a sharded, replicated cluster: made as they stand, asked as any other.

An engine alone has no queue of statements for a cluster, so ON CLUSTER is left out. Its Keeper is
its own for tests, under which tables are read-only: uses are in a table that is not replicated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from keytrail.settings import Settings
from keytrail.sources import LocalSource, connect
from sources import clickhouse_front, servers
from sources.clickhouse_front import run, statements
from sources.seeded import F3, requests, uses
from sources.test_every_source import _ASKED, _ask, _rounded
from support.waiting import eventually

_SHARD = "<shard><replica><host>{}</host><port>9000</port></replica></shard>"
_CONFIG = """
<clickhouse>
  <tcp_port>9000</tcp_port>
  <macros><shard>7</shard><replica>first</replica></macros>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
  <remote_servers><audit>{}</audit></remote_servers>
</clickhouse>
"""


def _made(port: int, replicated: bool) -> None:
    """Run the statements of a cluster."""
    for statement in statements("cluster.sql"):
        here = statement.replace(" ON CLUSTER audit", "")
        assert here != statement
        if not replicated:
            here = re.sub(r"Replicated(MergeTree)\(.*?\)", r"\1", here)
        run(port, here, database="default")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A cluster of two shards, which are one: each span is written once and read twice."""
    directory = tmp_path_factory.mktemp("cluster")
    both = _SHARD.format("127.0.0.1") + _SHARD.format("localhost")
    with clickhouse_front.clickhouse(directory, config=_CONFIG.format(both)) as port:
        _made(port, replicated=False)
        exporting = {
            "KEYTRAIL_CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{port}?compress=none",
            "KEYTRAIL_CLICKHOUSE_DATABASE": "keytrail",
        }
        into = directory / "into.yaml"
        into.write_text("exporters: {clickhouse/keytrail: {create_schema: false}}\n")
        with servers.behind_a_collector(directory, "clickhouse", into, **exporting) as collector:
            servers.send(collector, requests())
            arrived = "SELECT uniqExact(TraceId, SpanId) FROM otel_traces"
            eventually(lambda: int(run(port, arrived)) == len(uses()), 30)
            yield port


def test_the_statements_are_those_of_a_replicated_table(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With the shard and the replica of this server in their place."""
    directory = tmp_path_factory.mktemp("replica")
    config = _CONFIG.format(_SHARD.format("127.0.0.1"))
    with clickhouse_front.clickhouse(directory, config=config) as port:
        _made(port, replicated=True)
        told = run(port, "SELECT zookeeper_path, replica_name FROM system.replicas")
        assert told.split() == ["/clickhouse/tables/7/keytrail/otel_traces", "first"]
        engines = run(port, "SELECT name, engine FROM system.tables WHERE database = 'keytrail'")
        assert dict(line.split() for line in engines.splitlines()) == {
            "otel_traces": "Distributed",
            "otel_traces_local": "ReplicatedMergeTree",
        }


_ASKED_HERE = [
    *(asked for asked in _ASKED if asked[0] != "uses" and "limit" not in asked[1]),
    ("uses", {"key": F3[:8]}),
]


@pytest.mark.parametrize(("name", "options"), _ASKED_HERE, ids=lambda one: str(one)[:40])
def test_every_question_through_the_distributed_table(
    truth: LocalSource, cluster: int, name: str, options: dict[str, Any]
) -> None:
    """From all shards, each use once."""
    source = connect(Settings(), f"clickhouse://127.0.0.1:{cluster}/keytrail")
    expected, found = _ask(truth, name, options), _ask(source, name, options)
    assert [*map(_rounded, found.rows)] == [*map(_rounded, expected.rows)]
    for ours, theirs in zip(expected.tables, found.tables, strict=True):
        assert [*map(_rounded, theirs.rows)] == [*map(_rounded, ours.rows)], ours.name
