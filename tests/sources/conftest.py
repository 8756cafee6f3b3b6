"""The seeded uses in every source, once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keytrail.questions import keys
from keytrail.settings import Settings
from keytrail.sources import LocalSource, Source, connect
from sources import clickhouse_front, seeded, servers, tempo_contract
from support.otelcol import eventually


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> LocalSource:
    """The journal: what every other source is compared with."""
    return LocalSource(seeded.journal(tmp_path_factory.mktemp("truth")))


def _jaeger(directory: Path, storage: str) -> Iterator[str]:
    with (
        servers.jaeger(directory, servers.STORAGES[storage]) as (at, otlp),
        servers.behind_a_collector(directory, "jaeger", KEYTRAIL_JAEGER_ENDPOINT=otlp) as port,
    ):
        servers.send(port, seeded.requests())
        yield at


@pytest.fixture(scope="session")
def jaeger_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jaeger that keeps the seeded uses in memory."""
    yield from _jaeger(tmp_path_factory.mktemp("jaeger"), "memory")


@pytest.fixture(scope="session")
def jaeger_badger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jaeger that keeps the seeded uses in badger."""
    yield from _jaeger(tmp_path_factory.mktemp("jaeger"), "badger")


@pytest.fixture(scope="session")
def tempo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What Tempo's contract says, over the seeded uses."""
    directory = tmp_path_factory.mktemp("tempo")
    with (
        tempo_contract.tempo() as running,
        servers.behind_a_collector(
            directory, "tempo", KEYTRAIL_TEMPO_ENDPOINT=f"http://127.0.0.1:{running.port}"
        ) as port,
    ):
        servers.send(port, seeded.requests())
        yield running.address


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ClickHouse's engine with the seeded uses in the exporter's table."""
    directory = tmp_path_factory.mktemp("clickhouse")
    with (
        clickhouse_front.clickhouse(directory) as port,
        servers.behind_a_collector(
            directory,
            "clickhouse",
            KEYTRAIL_CLICKHOUSE_ENDPOINT=f"http://127.0.0.1:{port}?compress=none",
        ) as collector,
    ):
        servers.send(collector, seeded.requests())
        yield f"clickhouse://127.0.0.1:{port}/keytrail"


@pytest.fixture(scope="session")
def clickhouse_json(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same engine with the exporter's table of JSON."""
    directory = tmp_path_factory.mktemp("clickhouse-json")
    as_json = directory / "json.yaml"
    as_json.write_text(
        "exporters: {clickhouse/keytrail: {json: true, traces_table_name: otel_traces_json}}\n"
    )
    host = clickhouse.split("/")[2]
    with servers.behind_a_collector(
        directory,
        "clickhouse",
        as_json,
        KEYTRAIL_CLICKHOUSE_ENDPOINT=f"http://{host}?compress=none",
    ) as collector:
        servers.send(collector, seeded.requests())
        yield f"{clickhouse}?table=otel_traces_json"


@pytest.fixture(scope="session")
def clickhouse_migrated(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine whose table was migrated when half of the uses were in it."""
    directory = tmp_path_factory.mktemp("clickhouse-migrated")
    half = len(seeded.requests()) // 2
    with (
        clickhouse_front.clickhouse(directory) as port,
        servers.behind_a_collector(
            directory,
            "clickhouse",
            KEYTRAIL_CLICKHOUSE_ENDPOINT=f"http://127.0.0.1:{port}?compress=none",
        ) as collector,
    ):
        address = f"clickhouse://127.0.0.1:{port}/keytrail"
        servers.send(collector, seeded.requests()[:half])
        eventually(lambda: _count(address) > 0, 30)
        clickhouse_front.migrate(port)
        servers.send(collector, seeded.requests()[half:])
        yield address


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """The source that the test is asked for, once all of the seeded uses have arrived."""
    address: str = request.getfixturevalue(request.param)
    eventually(lambda: _count(address) == len(seeded.uses()), 30)
    return address


def _count(address: str) -> int:
    answer = keys(connect(Settings(), address), since="1d")
    return sum(int(str(row[answer.columns.index("uses")])) for row in answer.rows)


@pytest.fixture
def source(address: str) -> Source:
    """The source at the address, newly connected."""
    return connect(Settings(), address)
