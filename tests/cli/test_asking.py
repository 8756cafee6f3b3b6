from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.cli_kit import KEYTRAIL, environment, keytrail
from keytrail.cli.app import app
from store.segment_kit import use, write
from support.cases import F1, F2, K1


@pytest.fixture
def uses(home: Path) -> Path:
    """Three uses of two keys."""
    write(home, use(0), use(1, key=F2, status=401, outcome="denied"), use(2))
    return home


@pytest.mark.usefixtures("uses")
def test_keys_as_a_table() -> None:
    """The whole process: data on stdout, nothing on stderr, exit 0."""
    shown = keytrail("keys", COLUMNS="80")
    assert (shown.returncode, shown.stderr) == (0, b"")
    lines = shown.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["547402dd407e", "ca8a8e4ea63b"]
    assert lines[-1].startswith("exact: 2025-11-25 18:00:00 to ")


@pytest.mark.usefixtures("uses")
def test_keys_as_json() -> None:
    """Programs get one object."""
    shown = CliRunner().invoke(app, ["keys", "--format", "json", "--until", "2025-11-26"])
    assert shown.exit_code == 0
    answer = json.loads(shown.stdout)
    assert answer["question"] == {"name": "keys", "until": "2025-11-26T00:00:00.000000000Z"}
    assert [(row["key"], row["uses"], row["denials"]) for row in answer["rows"]] == [
        (F1, 2, 0),
        (F2, 1, 1),
    ]
    assert answer["completeness"] == {
        "worth": "exact",
        "from": "2025-11-25T18:00:00.000000000Z",
        "to": "2025-11-26T00:00:00.000000000Z",
        "reasons": [],
    }


@pytest.mark.usefixtures("uses")
def test_uses_as_csv_and_ndjson_end_with_the_completeness_on_stderr() -> None:
    """Stdout holds rows and nothing else."""
    as_csv = keytrail("uses", "--format", "csv", "--outcome", "success")
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout.decode(), newline="")))
    assert [row["path"] for row in rows] == ["/orders/2", "/orders/0"]
    as_lines = keytrail("uses", "--format", "ndjson", "--key", F2[:12])
    assert [json.loads(line)["path"] for line in as_lines.stdout.splitlines()] == ["/orders/1"]
    for shown in (as_csv, as_lines):
        assert shown.returncode == 0
        assert json.loads(shown.stderr)["completeness"]["worth"] == "exact"


def test_a_table_shows_a_hundred_uses_and_data_all(home: Path) -> None:
    """A terminal is not flooded; a program gets everything unless it says otherwise."""
    write(home, *map(use, range(150)))

    def shown(*options: str) -> list[str]:
        return CliRunner().invoke(app, ["uses", *options]).stdout.splitlines()

    table = shown()
    assert table[103].startswith("100 uses")
    assert table[104].startswith("truncated: ")
    assert shown("--limit", "0")[153].startswith("150 uses")
    assert len(shown("--format", "ndjson")) == 150
    assert len(shown("--format", "ndjson", "--limit", "3")) == 3


def test_another_home(tmp_path: Path) -> None:
    """--home takes the place of KEYTRAIL_HOME."""
    write(tmp_path / "other", use(0))
    shown = CliRunner().invoke(app, ["keys", "--format", "ndjson", "--home", f"{tmp_path}/other"])
    assert json.loads(shown.stdout.splitlines()[0])["key"] == F1


def test_a_question_that_means_nothing_is_a_usage_error() -> None:
    """Exit 2, with a hint and without what was given."""
    shown = keytrail("uses", "--since", K1)
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert shown.stderr.decode() == (
        "keytrail: --since: this cannot be read\n"
        "hint: give a time such as 2026-11-25T17:00:00Z, 2h, 7d or today\n"
    )


@pytest.mark.usefixtures("uses")
@pytest.mark.parametrize("command", ["keys", "export"])
def test_a_full_disk_is_told(command: str) -> None:
    """Where the answer was to go, and that it did not."""
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [str(KEYTRAIL), command],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"keytrail: stdout: No space left on device\nhint: ")
    assert ran.stderr.count(b"\n") == 2


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_a_usage_error(seconds: str) -> None:
    """A question without any time, or with all of it, was not meant."""
    shown = CliRunner().invoke(app, ["keys", "--timeout", seconds])
    assert shown.exit_code == 2
    assert "give a number of seconds above 0" in shown.stderr


@pytest.mark.parametrize("command", ["keys", "export"])
def test_a_time_that_ends_before_it_begins_is_a_usage_error(command: str) -> None:
    """Nothing lies in it, which is no answer to what was meant."""
    shown = keytrail(command, "--since", "2h", "--until", "3h")
    assert (shown.returncode, shown.stdout, shown.stderr.decode()) == (
        2,
        b"",
        "keytrail: --since: this is later than --until\nhint: such as --since 7d --until 2d\n",
    )


def test_a_raw_key_given_as_the_key_is_not_shown_again() -> None:
    """It matches nothing, and stands neither in the answer nor in the hint."""
    for form in ("table", "json", "csv", "ndjson"):
        shown = CliRunner().invoke(app, ["uses", "--key", K1, "--format", form])
        assert shown.exit_code == 0
        assert K1 not in shown.output


def test_a_journal_that_cannot_be_read_is_an_error(home: Path) -> None:
    """Exit 1, with what, where and a hint, and no traceback."""
    home.mkdir()
    (home / "live").write_text("")
    shown = keytrail("keys")
    assert (shown.returncode, shown.stdout) == (1, b"")
    assert shown.stderr.decode() == (
        f"keytrail: the journal in {home} cannot be read: Not a directory\n"
        "hint: run keytrail as the user that the services run as, or set KEYTRAIL_HOME\n"
    )


def test_a_reader_that_has_seen_enough_is_no_error(home: Path) -> None:
    """`keytrail uses | head -1` says nothing on stderr."""
    write(home, *map(use, range(2000)))
    process = subprocess.Popen(
        [KEYTRAIL, "uses", "--format", "ndjson"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["time"].startswith("2025-11-25")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


@pytest.mark.usefixtures("uses")
def test_a_variable_that_cannot_be_used_is_named_and_the_answer_comes() -> None:
    """Talk on stderr, data on stdout."""
    shown = keytrail("keys", "--format", "ndjson", KEYTRAIL_JWT="some")
    assert shown.returncode == 0
    assert shown.stderr.decode().startswith(
        "keytrail: KEYTRAIL_JWT: expected one of keys, identity, all\n"
    )


def test_asking_does_not_need_the_sdk() -> None:
    """The SDK takes longer to import than a question to answer."""
    program = (
        "import sys; from keytrail.cli.app import app; app(['keys'], standalone_mode=False); "
        "print(sorted(n for n in sys.modules if n.startswith('opentelemetry.sdk')))"
    )
    shown = subprocess.run(
        [KEYTRAIL.with_name("python"), "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def test_recorded_time_is_not_local_time(home: Path) -> None:
    """A machine's time zone changes nothing."""
    write(home, use(0))
    shown = keytrail("uses", "--since", "2025-11-25", "--format", "ndjson", TZ="Asia/Tokyo")
    assert json.loads(shown.stdout)["time"] == "2025-11-25T18:00:00.000000000Z"
