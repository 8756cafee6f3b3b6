from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from keytrail.store import erasing
from keytrail.store.erasing import Target
from keytrail.store.sealing import seal
from keytrail.store.store import Store
from store.sealing_kit import SIGNER
from store.segment_kit import use, write
from support.cases import F1, F2

_OTHER = "f3" * 32
_NAMING = {
    "keytrail.key.previous_hash": F2,
    "keytrail.key.other_hashes": [F2, _OTHER],
    "keytrail.redacted_hashes": [_OTHER],
}
_NAMED = (F2, f'["{F2}","{_OTHER}"]', f'["{_OTHER}"]')


def _hashes(home: Path) -> list[tuple[str | None, ...]]:
    with closing(Store(home)) as store:
        return store.all("SELECT previous, beside, redacted FROM uses_and_hashes ORDER BY time")


@pytest.mark.parametrize("sealed", [False, True])
def test_further_fingerprints_of_a_use_have_columns(home: Path, *, sealed: bool) -> None:
    """Those under the pepper before, presented beside the key, and redacted; else empty."""
    write(home, use(0, attributes=_NAMING), use(1))
    if sealed:
        seal(home, SIGNER)
    assert _hashes(home) == [_NAMED, (None, None, None)]


def test_a_fingerprint_that_is_erased_is_erased_there_too(home: Path) -> None:
    """Nothing of it is left in any column of a sealed file."""
    write(home, use(0, key=F1, attributes=_NAMING))
    erasing.erase(home, SIGNER, Target("key", fingerprint=F2), only_count=False)
    assert _hashes(home) == [("REDACTED", f'["REDACTED","{_OTHER}"]', f'["{_OTHER}"]')]
    (path,) = home.glob("sealed/*.parquet")
    with closing(Store(home)) as store:
        rows = store.all(f"SELECT * FROM read_parquet('{path}')")
    assert F2 not in str(rows)


def test_the_documented_view_has_no_such_columns(home: Path) -> None:
    """They are not columns of a use."""
    write(home, use(0, attributes=_NAMING))
    with closing(Store(home)) as store:
        columns = {row[0] for row in store.all("DESCRIBE uses")}
    assert columns.isdisjoint({"previous", "beside", "redacted"})
