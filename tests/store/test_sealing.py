from __future__ import annotations

import fcntl
import json
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import uses
from keytrail.sources import LocalSource
from keytrail.store import manifest, sealed
from keytrail.store.errors import StoreError
from keytrail.store.live import Gap
from keytrail.store.sealing import Sealing, seal
from keytrail.store.store import Store
from store.sealing_kit import SIGNER, files_of, live_of, paths_of, rows_of
from store.segment_kit import SECOND, T0, record, use, write

DAY = 86_400 * SECOND


def test_what_is_sealed_is_what_was_written(home: Path) -> None:
    """Every column, ``attributes`` and ``span`` of every use, and the segments are gone."""
    write(home, record("start"), use(0), use(1, findings=["weak", "duplicate"]), name="a.ndjson")
    write(home, use(2, key=None, status=None), record("stop", 9), name="b.ndjson")
    before = rows_of(home)
    assert seal(home, SIGNER) == Sealing(segments=2, files=1, uses=3)
    assert rows_of(home) == before
    assert live_of(home) == []
    assert [path.name for path in home.glob("live/*")] == []


HOSTILE = [
    "\x00\x01\x1b[31m\x7f",
    "\u202eright to left\u2066",
    '=HYPERLINK("http://evil")',
    "a'b\"c\\d{e}[f]*?,;\n\r\t",
    "\\udc80",
    "x" * 1_000_000,
    "\U0001f511\ufeff\u2028",
    '"end":123, "end":0',
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_are_sealed_as_they_are(home: Path, text: str) -> None:
    """In columns, in attributes and in the rest of the span."""
    span = {"name": text, "kind": "SERVER", "end": T0 + 5, "events": [{"end": 7, "name": text}]}
    line = use(0, path=text, user_agent=text, findings=[text], attributes={text: text}, span=span)
    write(home, line)
    before = rows_of(home)
    seal(home, SIGNER)
    assert rows_of(home) == before
    (row,) = rows_of(home, "path, user_agent, findings, attributes, span")
    assert row[:3] == (text, text, [text])
    assert [json.loads(column) for column in row[3:]] == [{text: text}, span]


@pytest.mark.parametrize(
    "span",
    [
        '{"name":"a","end":0}',
        '{"end":9223372036854775807,"name":"a"}',
        '{"end":99999999999999999999}',
        '{"end":1764093600000000007.5}',
        '{"end":"1764093600000000007"}',
        '{"end":-5,"x":{"end":1764093600000000007}}',
        '{"end":1e3}',
        '{"a":"\\"end\\":5","end":1764093600000000009,"b":[{"end":3}]}',
        "{}",
        "[]",
        "null",
    ],
)
def test_a_span_of_any_form_is_sealed_as_it_is(home: Path, span: str) -> None:
    """The end that is kept apart comes back to where it stood."""
    write(home, f'{{"time":{T0},"path":"/a","span":{span}}}\n'.encode())
    before = rows_of(home)
    seal(home, SIGNER)
    assert rows_of(home) == before


@pytest.mark.parametrize("moment", [0, -5, -(2**63), 2**63 - 1, T0])
def test_times_of_any_size_are_sealed(home: Path, moment: int) -> None:
    """A forged time costs nobody the sealing."""
    write(home, use(0, time=moment, span={"name": "a", "end": T0}), use(1))
    before = rows_of(home)
    seal(home, SIGNER)
    assert rows_of(home) == before
    assert live_of(home) == []


def test_a_sealed_file_holds_one_day(home: Path) -> None:
    """Uses of three days, in whatever segments, are three files."""
    write(home, use(0), use(1, time=T0 + DAY), name="a.ndjson")
    write(home, use(2, time=T0 + 2 * DAY), use(3), name="b.ndjson")
    assert seal(home, SIGNER).files == 3
    assert [(file.name[:10], file.uses) for file in files_of(home)] == [
        ("2025-11-25", 2),
        ("2025-11-26", 1),
        ("2025-11-27", 1),
    ]


def test_a_day_that_is_sealed_often_stays_in_few_files(home: Path) -> None:
    """Small files are taken into the next one; every use is there once."""
    for number in range(40):
        write(home, use(number), name=f"{number}.ndjson")
        seal(home, SIGNER)
    assert paths_of(home) == [f"/orders/{number}" for number in range(40)]
    assert len(files_of(home)) <= 6
    assert {path.name for path in (home / "sealed").iterdir()} == {
        file.name for file in files_of(home)
    }


def test_open_segments_and_those_that_wait_for_delivery_stay(home: Path) -> None:
    """One is being written, the other has a cursor."""
    opened = write(home, use(0), name="open.ndjson")
    write(home, use(1), name="waits.ndjson")
    write(home, b"00000000000000000000\n", name="waits.ndjson.cursor")
    write(home, use(2), name="closed.ndjson")
    with opened.open("ab") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        assert seal(home, SIGNER).segments == 1
        assert live_of(home) == ["open.ndjson", "waits.ndjson"]
        assert paths_of(home) == ["/orders/0", "/orders/1", "/orders/2"]


def test_nothing_to_seal_is_no_error(home: Path) -> None:
    """A home that does not exist yet, and one that was sealed."""
    assert seal(home, SIGNER) == Sealing(0, 0, 0)
    write(home, use(0))
    seal(home, SIGNER)
    assert seal(home, SIGNER) == Sealing(0, 0, 0)


def test_a_use_that_was_written_twice_is_sealed_once(home: Path) -> None:
    """Within a segment and across segments; the later line wins."""
    write(home, use(0, path="/first"), use(0, path="/second"), use(1), name="a.ndjson")
    write(home, use(1, path="/later"), name="b.ndjson")
    assert seal(home, SIGNER).uses == 2
    assert paths_of(home) == ["/second", "/later"]


def test_a_later_line_wins_over_a_sealed_one(home: Path) -> None:
    """While it is live, and when it is sealed too."""
    write(home, use(0, outcome="unknown"), *(use(number) for number in range(1, 9)))
    seal(home, SIGNER)
    write(home, use(0, outcome="success"), name="later.ndjson")
    expected = [("success",)] * 9
    assert rows_of(home, "outcome") == expected
    with closing(Store(home, {"outcome"})) as store:
        assert store.all("SELECT outcome FROM uses") == expected
    seal(home, SIGNER)
    assert rows_of(home, "outcome") == expected
    assert sum(file.uses for file in files_of(home)) == 9


def test_several_later_lines_win_over_a_sealed_one(home: Path) -> None:
    """The last of them, in whatever segments they stand."""
    write(home, use(0, outcome="unknown"), use(1))
    seal(home, SIGNER)
    write(home, use(0, outcome="error"), use(0, outcome="denied"), name="b.ndjson")
    write(home, use(0, outcome="success"), name="c.ndjson")
    assert rows_of(home, "outcome") == [("success",)] * 2
    seal(home, SIGNER)
    assert rows_of(home, "outcome") == [("success",)] * 2


def test_uses_without_ids_are_all_sealed(home: Path) -> None:
    """Equal lines of which nobody can tell that they are one use are two."""
    nameless = use(0, trace_id=None, span_id=None)
    write(home, nameless, nameless)
    assert seal(home, SIGNER).uses == 2
    write(home, nameless, name="b.ndjson")
    seal(home, SIGNER)
    assert len(paths_of(home)) == 3


def test_the_condition_of_segments_is_kept(home: Path) -> None:
    """Gaps, peppers, bad lines and torn ends are told after sealing as before."""
    gap = record("gap", 3, reason="queue_full", attributes={"uses": 7})
    write(home, use(0), gap, b"nonsense\n", use(5, pepper_id="aaaaaaaa"), b'{"ti')
    with closing(Store(home)) as store:
        before = store.condition
    seal(home, SIGNER)
    with closing(Store(home)) as store:
        assert store.condition == before
    assert (before.gaps, before.bad, before.torn) == (
        (Gap(T0 + 3 * SECOND, "queue_full", 7),),
        1,
        1,
    )


def test_lines_that_are_no_record_are_kept(home: Path) -> None:
    """As they were, in ``refused/``, a line of twenty megabytes too."""
    zeros = b"\0" * 20_000_000 + b"\n"
    write(home, use(0), b"nonsense\n", zeros, use(1), b'{"ti', name="a.ndjson")
    seal(home, SIGNER)
    assert paths_of(home) == ["/orders/0", "/orders/1"]
    assert (home / "refused/a.ndjson").read_bytes() == b"nonsense\n" + zeros + b'{"ti'


def test_records_are_sealed_with_their_whole_text(home: Path) -> None:
    """What an origin or a start says is there for export."""
    origin = {
        "record": "origin",
        "time": T0,
        "origin": "ab",
        "attributes": {"a": [1]},
        "scope": None,
    }
    path = write(home, json.dumps(origin).encode() + b"\n", use(0))
    text = path.read_text().splitlines()[0]
    seal(home, SIGNER)
    with closing(Store(home)) as store:
        (file,) = store.paths
        rows = store.all(f"SELECT record, time, span FROM '{file}' WHERE record IS NOT NULL")
    assert rows == [("origin", T0, text)]


def test_only_the_owner_can_read_what_is_sealed(home: Path) -> None:
    """Directories 0700, files 0600: the record holds client addresses."""
    write(home, use(0))
    seal(home, SIGNER)
    modes = {
        path.name[-6:]: stat.S_IMODE(path.stat().st_mode)
        for path in [home / "sealed", *home.glob("sealed/*"), *home.glob("manifest*")]
    }
    assert modes == {"sealed": 0o700, "arquet": 0o600, "ndjson": 0o600, "t.head": 0o600}


def test_a_sealed_file_that_lacks_rows_costs_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is deleted, what was written is counted."""
    write(home, use(0), use(1))
    real = sealed.of_uses
    monkeypatch.setattr(sealed, "of_uses", lambda uses: f"FROM ({real(uses)}) LIMIT 1")
    with pytest.raises(StoreError, match="2 uses were read, 1 written\nhint: nothing is lost"):
        seal(home, SIGNER)
    assert paths_of(home) == ["/orders/0", "/orders/1"]


def test_a_missing_sealed_file_is_told(home: Path) -> None:
    """The rest is the answer, and it says what is not in it."""
    write(home, use(0), use(1, time=T0 + DAY))
    seal(home, SIGNER)
    gone = home / files_of(home)[0].path
    gone.unlink()
    with closing(Store(home)) as store:
        assert store.condition.damaged == (str(gone),)
        assert store.all("SELECT path FROM uses") == [("/orders/1",)]


@pytest.mark.parametrize("left", [0, 1, 2])
@pytest.mark.parametrize("torn", [b"", b'{"seq":'])
def test_a_manifest_that_lacks_lines_is_told(home: Path, left: int, torn: bytes) -> None:
    """What it lists is the answer, which does not look whole: the home was copied in part."""
    for number in range(2):
        write(home, use(number, time=T0 + number * DAY), name=f"{number}.ndjson")
        seal(home, SIGNER)
    path = home / manifest.NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]) + torn)
    with closing(Store(home)) as store:
        assert store.condition.cut == (str(path),)
        assert store.all("SELECT count(*) FROM uses") == [(max(0, left - 1),)]


def test_a_part_of_a_home_without_any_manifest_is_told(home: Path) -> None:
    """Its sealed files are of nobody knows what, and no answer without them looks whole."""
    write(home, use(0))
    seal(home, SIGNER)
    for path in home.glob("manifest*"):
        path.unlink()
    found = uses(LocalSource(home))
    assert (list(found.rows), found.completeness.worth) == ([], "bounded")
    assert any(f"{home}/manifest.ndjson lacks lines" in told for told in found.completeness.reasons)


def test_the_homes_of_many_services_are_read_as_one(tmp_path: Path) -> None:
    """Live and sealed, each under its own manifest."""
    write(tmp_path / "orders", use(0))
    seal(tmp_path / "orders", SIGNER)
    write(tmp_path / "billing", use(1))
    write(tmp_path / "billing", use(2), name="b.ndjson")
    (tmp_path / "other").mkdir()
    assert paths_of(tmp_path) == ["/orders/0", "/orders/1", "/orders/2"]


def _change_first(home: Path, **changes: Any) -> None:
    path = home / manifest.NAME
    first, *rest = path.read_bytes().splitlines(keepends=True)
    line = json.loads(first) | changes
    path.write_bytes(json.dumps(line, separators=(",", ":")).encode() + b"\n" + b"".join(rest))


def test_a_manifest_of_a_newer_version_is_told(home: Path) -> None:
    """By the reader and by the one who seals; nothing is touched."""
    write(home, use(0))
    seal(home, SIGNER)
    _change_first(home, version=2)
    expected = (
        f"{home}/manifest.ndjson: line 1 has version 2, this keytrail reads 1\n"
        "hint: upgrade keytrail here to the version that seals"
    )
    for act in (lambda: Store(home), lambda: seal(home, SIGNER)):
        with pytest.raises(StoreError) as caught:
            act()
        assert str(caught.value) == expected


def test_sealed_files_without_their_manifest_are_left_alone(home: Path) -> None:
    """A copy of a part of a home is no store, and nothing of it is taken for a leftover."""
    write(home, use(0))
    seal(home, SIGNER)
    for path in home.glob("manifest*"):
        path.unlink()
    write(home, use(1), name="b.ndjson")
    with pytest.raises(StoreError) as caught:
        seal(home, SIGNER)
    assert str(caught.value) == (
        f"{home} has sealed files but no manifest.ndjson: it was copied in part\n"
        "hint: nothing was changed; bring manifest.ndjson and manifest.head back from where the "
        "files came from"
    )
    assert len(list(home.glob("sealed/*.parquet"))) == 1


def test_a_home_that_cannot_be_written_is_told(home: Path) -> None:
    """What, where, and the next step; the segments stay."""
    write(home, use(0))
    (home / "sealed").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        seal(home, SIGNER)
    what, hint = str(caught.value).split("\n")
    assert what.startswith(f"the store in {home} cannot be changed: {home}/sealed")
    assert hint.startswith("hint: nothing is lost; run this as the user")
    assert live_of(home) == ["host-1-1.ndjson"]
