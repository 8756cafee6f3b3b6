from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from keytrail.sources import LocalSource
from keytrail.sources.source import Filter
from keytrail.store import live, segments
from keytrail.store import store as store_module
from keytrail.store.live import Gap
from keytrail.store.sealing import seal
from keytrail.store.store import Condition, Store
from store.sealing_kit import SIGNER
from store.segment_kit import T0, record, use, write

_WRITER = """
import fcntl, json, os, sys
descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
fcntl.flock(descriptor, fcntl.LOCK_EX)
number = 0
while True:
    number += 1
    line = {"time": number, "trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    os.write(descriptor, json.dumps(line).encode() + b"\\n")
    print(number, flush=True)
"""


@pytest.fixture(autouse=True, params=[0, 2**20], ids=["in a file", "in memory"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read of segments is the same wherever it is kept meanwhile."""
    monkeypatch.setattr(live, "_MOST_IN_MEMORY", request.param)


def _paths(home: Path) -> list[str]:
    with closing(Store(home)) as store:
        return [path for (path,) in store.all("SELECT path FROM uses ORDER BY time, path")]


def _condition(home: Path) -> Condition:
    with closing(Store(home)) as store:
        return store.condition


def _whole(**found: object) -> Condition:
    plain: dict[str, object] = {
        "begins": T0,
        "unreadable": 0,
        "bad": 0,
        "torn": 0,
        "gaps": (),
        "peppers": ("8805e1a2",),
    }
    return Condition(**(plain | found))  # type: ignore[arg-type]


def test_the_uses_of_all_segments_are_one_relation(home: Path) -> None:
    """Uses of every segment are found, the audit's own records are not among them."""
    write(home, record("start"), use(0), use(2), record("stop", 9), name="a.ndjson")
    write(home, record("resource"), use(1), name="b.ndjson")
    assert _paths(home) == ["/orders/0", "/orders/1", "/orders/2"]


def test_a_home_that_does_not_exist_has_no_uses(home: Path) -> None:
    """Before the first service starts there is nothing, and that is no error."""
    assert _paths(home) == []
    assert _condition(home) == _whole(begins=None, peppers=())


def test_only_segments_are_read(home: Path) -> None:
    """A segment that is being created, a cursor, a link and a directory are no segments."""
    path = write(home, use(0))
    write(home, use(1), name="host-1-2.opening")
    write(home, b"00000000000000000042\n", name="host-1-1.ndjson.cursor")
    (path.parent / "link.ndjson").symlink_to(path)
    (path.parent / "directory.ndjson").mkdir()
    assert _paths(home) == ["/orders/0"]


def test_a_use_that_was_written_twice_counts_once(home: Path) -> None:
    """Two lines with equal ids in one segment are one use, and the later line wins."""
    write(home, use(0, path="/first"), use(1), use(0, path="/second"), use(2))
    assert _paths(home) == ["/second", "/orders/1", "/orders/2"]


def test_a_use_that_was_written_to_two_segments_counts_once(home: Path) -> None:
    """The line in the segment that changed last wins, whatever the names."""
    older = write(home, use(0, path="/first"), use(1), name="z.ndjson")
    write(home, use(2), use(0, path="/second"), name="a.ndjson")
    os.utime(older, (1, 1))
    assert _paths(home) == ["/second", "/orders/1", "/orders/2"]


def test_the_end_of_a_use_wins_whatever_the_order(home: Path) -> None:
    """Files that were imported, or a backend, may tell what was told while it ran last."""
    early = {"outcome": "unknown", "path": "/running"}
    write(
        home,
        use(0, path="/ended", outcome="denied"),
        use(0, **early, duration=70.0),
        use(1, **early, duration=60.0),
        use(1, outcome="unknown", path="/later", duration=90.0),
        use(1, **early, duration=None),
    )
    assert _paths(home) == ["/ended", "/later"]


def test_uses_without_ids_are_never_taken_for_copies(home: Path) -> None:
    """Equal lines of which nobody can tell that they are one use are two."""
    nameless = use(0, trace_id=None, span_id=None)
    write(home, nameless, nameless, use(1), use(1))
    assert _paths(home) == ["/orders/0", "/orders/0", "/orders/1"]


def test_a_column_of_another_kind_is_empty_and_an_unknown_one_is_passed_over(home: Path) -> None:
    """What another version wrote does not cost the use."""
    write(home, use(0) | {"status": "teapot", "colour": "blue"}, {"time": T0 + 1})
    with closing(Store(home)) as store:
        rows = store.all("SELECT time, status, path FROM uses ORDER BY time")
    assert rows == [(T0, None, "/orders/0"), (T0 + 1, None, None)]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"time": 1, "key": "cut\n',
        b"\0\0\0\0\n",
        b"[1]\n",
        b'{"time": 99999999999999999999}\n',
        b'{"path": "/no/time"}\n',
        b'{"time": NaN}\n',
        b"[" * 5_000 + b"]" * 5_000 + b"\n",
        b'{"time": 1, "path": "\xff"}\n',
    ],
)
def test_a_whole_line_that_is_no_record_is_told(home: Path, bad: bytes) -> None:
    """A bad line in the middle costs itself alone, and is a fault, not a torn tail."""
    write(home, use(0), bad, use(1))
    assert _paths(home) == ["/orders/0", "/orders/1"]
    assert _condition(home) == _whole(bad=1)


def test_only_lines_that_are_not_read_are_told(home: Path) -> None:
    """A time that another program wrote as a text is read, so that it is no bad line."""
    write(home, use(0), {"time": str(T0 + 1), "path": "/text"}, b"nonsense\n")
    assert _paths(home) == ["/orders/0", "/text"]
    assert _condition(home) == _whole(bad=1)


def test_the_torn_line_of_a_dead_writer_is_told(home: Path) -> None:
    """Half a line that nobody will end is passed over and counted."""
    write(home, use(0), b'{"time": 17', name="a.ndjson")
    write(home, b'{"ti', name="b.ndjson")
    assert _paths(home) == ["/orders/0"]
    assert _condition(home) == _whole(torn=2)


def test_the_torn_line_of_a_live_writer_is_normal(home: Path) -> None:
    """A writer that holds its segment's lock may be in the middle of a line."""
    path = write(home, use(0), b'{"time": 17')
    with path.open("ab") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        assert _condition(home) == _whole()


def test_gaps_that_a_writer_noted_are_found(home: Path) -> None:
    """The reader hands on what the writer said that it lost."""
    write(home, record("gap", 3, reason="queue_full", attributes={"uses": 7}), use(4))
    write(home, record("gap", 1), name="b.ndjson")
    assert _condition(home) == _whole(
        begins=T0 + 10**9,
        gaps=(Gap(T0 + 10**9, "unknown", 0), Gap(T0 + 3 * 10**9, "queue_full", 7)),
    )


def test_every_pepper_is_found(home: Path) -> None:
    """Replicas under different peppers are seen at once."""
    write(home, use(0, pepper_id="bbbbbbbb"), use(1, pepper_id="aaaaaaaa"), use(2, key=None))
    assert _condition(home) == _whole(peppers=("8805e1a2", "aaaaaaaa", "bbbbbbbb"))


@pytest.mark.parametrize(
    "name", ["it's", "a*b?c[d]e", "{a,b}", "x;--", 'q"q', "ümlaut", "new\nline"]
)
def test_names_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    """Quotes and patterns in a directory's or segment's name neither break the query nor match."""
    write(tmp_path / name, use(0), name=f"{name}.ndjson")
    write(tmp_path / name, use(1), name="aXbXcde.ndjson")
    assert _paths(tmp_path / name) == ["/orders/0", "/orders/1"]


def test_a_segment_whose_name_is_no_text_is_counted(home: Path) -> None:
    """What cannot be read is told, the others are read."""
    path = write(home, use(0))
    os.rename(path, os.path.join(os.fsencode(path.parent), b"\xff.ndjson"))
    write(home, use(1))
    assert _paths(home) == ["/orders/1"]
    assert _condition(home).unreadable == 1


def test_what_a_killed_writer_reported_is_read(home: Path) -> None:
    """After kill -9 every use that was reported as written is there, and nothing is half."""
    path = write(home)
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(500)]
    with closing(Store(home)) as store:
        while_writing = store.all("SELECT count(*) FROM uses")[0][0]
    writer.send_signal(signal.SIGKILL)
    reported = int([*told, *writer.stdout.read().split()][-1])
    writer.wait()
    writer.stdout.close()
    with closing(Store(home)) as store:
        ((uses, last),) = store.all("SELECT count(*), max(time) FROM uses")
    assert while_writing >= 500
    assert uses == last >= reported


def test_a_segment_that_goes_away_is_still_in_the_answer(home: Path) -> None:
    """What was delivered or sealed after it was read is what it was."""
    path = write(home, use(0))
    with closing(Store(home)) as store:
        path.unlink()
        assert store.all("SELECT path FROM uses") == [("/orders/0",)]


def test_a_use_that_ends_while_a_question_is_answered_counts_once(home: Path) -> None:
    """All parts of an answer are of one reading, whatever is written meanwhile."""
    running = use(0, outcome="unknown", path="/running", duration=60.0)
    write(home, use(1), running)
    with closing(Store(home)) as store:
        write(home, use(0, path="/ended"), use(2))
        assert store.all("SELECT path FROM uses ORDER BY time") == [("/running",), ("/orders/1",)]
    assert _paths(home) == ["/ended", "/orders/1", "/orders/2"]


def test_a_segment_that_goes_away_while_the_store_is_opened_is_no_matter(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been delivered between being found and being read is not there any more."""
    write(home, use(0), name="a.ndjson")
    goes = write(home, use(1), name="b.ndjson")
    find = store_module._find

    def found(home: Path) -> object:
        found = find(home)
        goes.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(store_module, "_find", found)
    assert _paths(home) == ["/orders/0"]


def test_a_question_of_many_parts_bears_a_file_that_goes_away(home: Path) -> None:
    """Where a sealed file was written again with others, what it held is read there."""
    write(home, use(0), use(1), name="a.ndjson")
    seal(home, SIGNER)
    with LocalSource(home).reading() as reading:
        assert len(list(reading.uses(Filter(), None).rows)) == 2
        write(home, use(2), name="b.ndjson")
        seal(home, SIGNER)
        assert len(list(reading.uses(Filter(), None).rows)) == 3


def test_a_line_that_is_ended_while_it_is_looked_at_is_not_torn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer was there when half of it was read, and has ended it and itself since."""
    path = write(home, use(0), b'{"ti')
    with path.open("ab") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        is_record = segments.is_record

        def before_its_end(line: bytes) -> bool:
            fcntl.flock(segment, fcntl.LOCK_UN)
            return is_record(line)

        with monkeypatch.context() as ended:
            ended.setattr(segments, "is_record", before_its_end)
            assert segments.inspect(str(path)) == segments.Flaws(bad=0, torn=False)
    assert segments.inspect(str(path)) == segments.Flaws(bad=0, torn=True)


def test_reading_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    """Neither the home nor the directory for temporary files holds anything new afterwards."""
    write(home, use(0))
    environ = os.environ | {"TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    program = (
        "import pathlib, sys; from keytrail.store.store import Store; "
        "Store(pathlib.Path(sys.argv[1])).close()"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], check=True, env=environ)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert [path.name for path in home.iterdir()] == ["live"]
