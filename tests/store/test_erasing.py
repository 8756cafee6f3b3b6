from __future__ import annotations

import fcntl
import ipaddress
import json
import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from keytrail.journal.aftermath import alone, keep_refused
from keytrail.journal.segment import segments
from keytrail.store import erasing, manifest
from keytrail.store.erasing import Erased, Target, erase
from keytrail.store.errors import StoreError
from keytrail.store.sealing import seal
from keytrail.store.verifying import verify
from store.sealing_kit import SIGNER, paths_of, rows_of
from store.segment_kit import SECOND, T0, use, write
from support.cases import F1, F2

ADDRESS = "192.0.2.1"


def _client(text: str) -> Target:
    return Target("client", network=ipaddress.ip_network(text))


def _erase(home: Path, target: Target, **options: Any) -> Erased:
    return erase(home, SIGNER, target, **{"only_count": False, **options})


def _everything(home: Path) -> str:
    return json.dumps(rows_of(home))


def test_a_client_is_nameless_and_its_uses_stay(home: Path) -> None:
    """Wherever its address stands, alone or within a text; others that look alike stay."""
    texts = [ADDRESS, f"{ADDRESS}:80", f"x {ADDRESS}, {ADDRESS}.", f"({ADDRESS})"]
    alike = ["192.0.2.10", "1192.0.2.1", "192.0.2.1.5", "192.0.201"]
    write(
        home,
        use(0, attributes={"net.peer.ip": ADDRESS, "all": texts, "alike": alike}),
        use(1, client="192.0.2.10", path="/of/192.0.2.10"),
        use(2, client="192.0.2.10", user_agent=f"proxy for {ADDRESS}"),
        use(3, key=None, time=T0 + 86_400 * SECOND),
    )
    assert _erase(home, _client(ADDRESS), note="ticket 7") == Erased(3, 2, ())
    assert rows_of(home, "client, user_agent") == [
        ("REDACTED", None),
        ("192.0.2.10", None),
        ("192.0.2.10", "proxy for REDACTED"),
        ("REDACTED", None),
    ]
    assert json.loads(rows_of(home, "attributes")[0][0]) == {
        "net.peer.ip": "REDACTED",
        "all": ["REDACTED", "REDACTED:80", "x REDACTED, REDACTED.", "(REDACTED)"],
        "alike": alike,
    }
    assert verify(home, SIGNER).problems == ()


def test_a_client_of_the_new_internet(home: Path) -> None:
    """However long its address is written."""
    write(home, use(0, client="2001:db8::1"), use(1, client="2001:db8::1:1"))
    _erase(home, _client("2001:0db8:0:0::1"))
    assert rows_of(home, "client") == [("REDACTED",), ("2001:db8::1:1",)]


def test_a_network_of_clients(home: Path) -> None:
    """Every address within it that was recorded."""
    write(home, *(use(number, client=f"192.0.2.{number}") for number in range(5)))
    _erase(home, _client("192.0.2.0/30"))
    assert rows_of(home, "client") == [("REDACTED",)] * 4 + [("192.0.2.4",)]


def test_the_uses_of_a_key_go(home: Path) -> None:
    """And where another key's use names it, it is redacted."""
    other = use(1, key=F2, attributes={"keytrail.key.other_hashes": [F1]})
    write(home, use(0), other, use(2, key=None))
    assert _erase(home, Target("key", fingerprint=F1)) == Erased(2, 1, ())
    assert paths_of(home) == ["/orders/1", "/orders/2"]
    assert F1 not in _everything(home)
    assert F2 in _everything(home)


def test_the_manifest_says_that_it_was_done_but_not_for_whom(home: Path) -> None:
    """How many uses, of what time, and why."""
    write(home, use(0), use(5), use(7, client="192.0.2.9"))
    _erase(home, _client(ADDRESS), note="ticket 7")
    last = manifest.read(home).entries[-1]
    assert (last.event, dict(last.told)) == (
        "erase",
        {"what": "client", "uses": 2, "first": T0, "last": T0 + 5 * SECOND, "note": "ticket 7"},
    )
    assert ADDRESS not in (home / manifest.NAME).read_text()


def test_nothing_of_it_is_left_in_any_file(home: Path) -> None:
    """Neither in sealed files nor in what was refused."""
    write(home, use(0), f"nonsense of {ADDRESS}\n".encode(), b"other nonsense\n", name="a.ndjson")
    seal(home, SIGNER)
    _erase(home, _client(ADDRESS))
    assert (home / "refused/a.ndjson").read_bytes() == b"other nonsense\n"
    assert not [path for path in home.rglob("*.*") if ADDRESS.encode() in path.read_bytes()]


def test_what_is_refused_meanwhile_is_kept(home: Path) -> None:
    """A service that delivers adds to the file that is written again: nothing of it is lost."""
    refused = home / "refused" / "a.ndjson"
    refused.parent.mkdir(parents=True)
    refused.write_bytes(f"nonsense of {ADDRESS}\n".encode())
    with ThreadPoolExecutor(1) as pool:
        with alone(refused) as descriptor:
            erasing_it = pool.submit(_erase, home, _client(ADDRESS))
            wait([erasing_it], 0.3)
            os.write(descriptor, b"added meanwhile\n")
        erasing_it.result(60)
    keep_refused(home, "a.ndjson", [b"added later\n"])
    kept = refused.read_bytes().splitlines(keepends=True)
    assert (kept[0], kept[-1]) == (b"added meanwhile\n", b"added later\n")


def test_segments_that_cannot_be_changed_are_named(home: Path) -> None:
    """One that is being written, and one that waits for delivery."""
    opened = write(home, use(0), name="open.ndjson")
    waits = write(home, use(1), name="waits.ndjson")
    write(home, b"00000000000000000000\n", name="waits.ndjson.cursor")
    write(home, use(2), name="closed.ndjson")
    with opened.open("ab") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        found = _erase(home, _client(ADDRESS))
    assert found.uses == 1
    assert sorted(found.left) == [str(opened), str(waits)]


def test_a_segment_that_is_delivered_while_it_is_looked_through_holds_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process delivers and deletes it, and may let old refused lines go, meanwhile."""
    waits = write(home, use(0))
    write(home, b"00000000000000000000\n", name="host-1-1.ndjson.cursor")
    (home / "refused").mkdir()
    (home / "refused" / "gone").symlink_to(home / "refused" / "nothing")

    def listed(home: Path) -> list[Any]:
        found = segments(home)
        waits.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(erasing, "segments", listed)
    assert _erase(home, _client(ADDRESS)) == Erased(0, 0, ())


@pytest.mark.parametrize("left", [None, 0, 100])
@pytest.mark.parametrize("only_count", [True, False])
def test_what_cannot_be_searched_is_told(home: Path, left: int | None, *, only_count: bool) -> None:
    """A sealed file that is missing or cut may hold what is to go: nothing is said to be erased."""
    write(home, use(0), use(1))
    seal(home, SIGNER)
    (path,) = home.glob("sealed/*.parquet")
    if left is None:
        path.unlink()
    else:
        os.truncate(path, left)
    with pytest.raises(StoreError, match=r"(?s)cannot be searched: .*\nhint: nothing was erased"):
        erase(home, SIGNER, Target("key", fingerprint=F1), only_count=only_count)
    assert manifest.read(home).entries[-1].event == "seal"


def test_counting_changes_nothing(home: Path) -> None:
    """What would be erased, before it is."""
    write(home, use(0), use(1))
    seal(home, SIGNER)
    before = (home / manifest.NAME).read_bytes()
    assert _erase(home, _client(ADDRESS), only_count=True) == Erased(2, 1, ())
    assert (home / manifest.NAME).read_bytes() == before


@pytest.mark.parametrize("target", [_client("198.51.100.1"), Target("key", fingerprint=F2)])
def test_what_is_not_there_changes_nothing(home: Path, target: Target) -> None:
    """No file is written again, and no line."""
    write(home, use(0))
    seal(home, SIGNER)
    before = (home / manifest.NAME).read_bytes()
    assert _erase(home, target) == Erased(0, 0, ())
    assert (home / manifest.NAME).read_bytes() == before
