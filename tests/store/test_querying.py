from __future__ import annotations

import json
from pathlib import Path

import pytest

from keytrail.store import querying
from keytrail.store.errors import StoreError
from keytrail.store.querying import asked
from keytrail.store.sealing import seal
from keytrail.store.store import Store
from store.sealing_kit import SIGNER
from store.segment_kit import SECOND, T0, record, use, write
from support.cases import F1


def _rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with asked(home, sql) as table:
        return list(table.rows)


@pytest.fixture
def filled(home: Path) -> Path:
    """A home with a sealed and a live use, and a gap."""
    write(home, use(0), record("gap", 1, reason="queue_full", attributes={"uses": 7}))
    seal(home, SIGNER)
    write(home, use(2, status=401, outcome="denied"), name="b.ndjson")
    return home


def test_the_views_have_what_the_commands_have(filled: Path) -> None:
    """Uses, keys and gaps, of live segments and sealed files."""
    assert _rows(filled, "SELECT path FROM uses ORDER BY time") == [("/orders/0",), ("/orders/2",)]
    assert _rows(filled, "SELECT key, uses, denials, last_use FROM keys") == [
        (F1, 2, 1, T0 + 2 * SECOND)
    ]
    assert _rows(filled, "SELECT * FROM gaps") == [(T0 + SECOND, "queue_full", 7)]
    ((attributes,),) = _rows(filled, "SELECT attributes FROM uses LIMIT 1")
    assert json.loads(str(attributes)) == {"keytrail.key.type": "opaque"}


@pytest.mark.parametrize(
    "sql",
    [
        "COPY uses TO '{}/out.csv'",
        "COPY uses TO '{}/sealed/x.parquet'",
        "CREATE TABLE x AS FROM uses",
        "CREATE TEMP TABLE x AS FROM uses",
        "INSERT INTO gaps VALUES (1, 'a', 1)",
        "DROP VIEW uses",
        "ATTACH '{}/x.duckdb'",
        "EXPORT DATABASE '{}/x'",
        "INSTALL httpfs",
        "LOAD '{}/x'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT 1; SELECT 2",
        "",
        "nonsense",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('{}/*')",
        "SELECT * FROM read_csv('{}/manifest.ndjson')",
        "SELECT * FROM nowhere",
        "SELECT read_blob('{}/manifest.head')",
        "EXPLAIN ANALYZE COPY uses TO '{sealed}'",
        "COPY uses TO '{sealed}'",
    ],
)
def test_nothing_but_reading_is_done(filled: Path, sql: str) -> None:
    """Nor is any file read that is not the store's."""
    before = {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    (sealed,) = filled.glob("sealed/*.parquet")
    with pytest.raises(StoreError, match="\nhint: "):
        _rows(filled, sql.replace("{}", str(filled)).replace("{sealed}", str(sealed)))
    assert {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()} == before


def test_a_statement_is_asked_again_where_a_sealed_file_goes_away(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written again, with others, after the views had been made."""
    lock = querying._lock

    def locked(store: Store) -> None:
        lock(store)
        seal(filled, SIGNER)

    monkeypatch.setattr(querying, "_lock", locked)
    assert _rows(filled, "SELECT path FROM uses ORDER BY time") == [("/orders/0",), ("/orders/2",)]


def test_an_empty_home_has_the_views(home: Path) -> None:
    """Before anything was recorded."""
    assert _rows(home, "SELECT count(*) FROM uses") == [(0,)]
    assert _rows(home, "FROM keys") == []
