"""The seeded uses in every source, once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

import pytest

from keytrail.questions import keys
from keytrail.settings import Settings
from keytrail.sources import LocalSource, Source, connect
from sources import clickhouse_front, seeded, servers, tempo_contract
from support.waiting import eventually


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
        eventually(lambda: _count(at) == len(seeded.uses()))
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
    """What Tempo's contract says, over the seeded uses; the Tempo at ``TEMPO_URL`` where given.

    ``TEMPO_OTLP_URL`` is where that one takes OTLP/HTTP.
    """
    directory = tmp_path_factory.mktemp("tempo")
    with ExitStack() as running:
        address = os.environ.get("TEMPO_URL")
        if address is None:
            contract = running.enter_context(tempo_contract.tempo())
            address, takes = contract.address, f"http://127.0.0.1:{contract.port}"
        else:
            address, takes = f"tempo+{address}", os.environ["TEMPO_OTLP_URL"]
        port = running.enter_context(
            servers.behind_a_collector(directory, "tempo", KEYTRAIL_TEMPO_ENDPOINT=takes)
        )
        servers.send(port, seeded.requests())
        yield address


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ClickHouse's engine with the seeded uses; the server at ``CLICKHOUSE_URL`` where given."""
    directory = tmp_path_factory.mktemp("clickhouse")
    with ExitStack() as running:
        url = os.environ.get("CLICKHOUSE_URL")
        if url is None:
            url = (
                f"http://127.0.0.1:{running.enter_context(clickhouse_front.clickhouse(directory))}"
            )
        database = f"keytrail_{uuid4().hex}" if "CLICKHOUSE_URL" in os.environ else "keytrail"
        parts = urlsplit(url)
        port = running.enter_context(
            servers.behind_a_collector(
                directory,
                "clickhouse",
                **_exporting_to(parts, database),
            )
        )
        servers.send(port, seeded.requests())
        yield f"clickhouse+{parts.scheme}://{parts.netloc}/{database}"


def _exporting_to(server: SplitResult, database: str) -> dict[str, str]:
    scheme = server.scheme.removeprefix("clickhouse+")
    return {
        "KEYTRAIL_CLICKHOUSE_ENDPOINT": (
            f"{scheme}://{server.netloc.rpartition('@')[2]}?compress=none"
        ),
        "KEYTRAIL_CLICKHOUSE_USER": server.username or "default",
        "KEYTRAIL_CLICKHOUSE_PASSWORD": server.password or "",
        "KEYTRAIL_CLICKHOUSE_DATABASE": database,
    }


@pytest.fixture(scope="session")
def clickhouse_json(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same engine with the exporter's table of JSON."""
    directory = tmp_path_factory.mktemp("clickhouse-json")
    as_json = directory / "json.yaml"
    as_json.write_text(
        "exporters: {clickhouse/keytrail: {json: true, traces_table_name: otel_traces_json}}\n"
    )
    parts = urlsplit(clickhouse)
    with servers.behind_a_collector(
        directory,
        "clickhouse",
        as_json,
        **_exporting_to(parts, parts.path.strip("/")),
    ) as collector:
        servers.send(collector, seeded.requests())
        yield f"{clickhouse}?table=otel_traces_json"


def _half_migrated(directory: Path, migrations: tuple[str, ...], *more: Path) -> Iterator[str]:
    """An engine whose table was migrated when half of the uses were in it."""
    half = len(seeded.requests()) // 2
    with (
        clickhouse_front.clickhouse(directory) as port,
        servers.behind_a_collector(
            directory,
            "clickhouse",
            *more,
            KEYTRAIL_CLICKHOUSE_ENDPOINT=f"http://127.0.0.1:{port}?compress=none",
        ) as collector,
    ):
        address = f"clickhouse://127.0.0.1:{port}/keytrail"
        servers.send(collector, seeded.requests()[:half])
        eventually(lambda: _count(address) > 0)
        clickhouse_front.migrate(port, *migrations)
        servers.send(collector, seeded.requests()[half:])
        yield address


@pytest.fixture(scope="session")
def clickhouse_migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exporter's table of maps, migrated on the way."""
    directory = tmp_path_factory.mktemp("clickhouse-migrated")
    yield from _half_migrated(directory, ("columns.sql", "rollup.sql"))


@pytest.fixture(scope="session")
def clickhouse_json_migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exporter's table of JSON, migrated on the way."""
    directory = tmp_path_factory.mktemp("clickhouse-json-migrated")
    as_json = directory / "json.yaml"
    as_json.write_text("exporters: {clickhouse/keytrail: {json: true}}\n")
    yield from _half_migrated(directory, ("columns-json.sql",), as_json)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """The source that the test is asked for, once all of the seeded uses have arrived."""
    address: str = request.getfixturevalue(request.param)
    _await_uses(address)
    return address


@cache
def _await_uses(address: str) -> None:
    """Wait until all of the seeded uses have arrived, once for each source."""
    eventually(lambda: _count(address) == len(seeded.uses()))


def _count(address: str) -> int:
    answer = keys(connect(Settings(), address), since="1d")
    return sum(int(str(row[answer.columns.index("uses")])) for row in answer.rows)


@pytest.fixture
def source(address: str) -> Source:
    """The source at the address, newly connected."""
    return connect(Settings(), address)
