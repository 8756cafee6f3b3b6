from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cli.cli_kit import keytrail
from store.segment_kit import T0, use, write
from support.cases import F1, PEPPER

SET = {"KEYTRAIL_PEPPER": PEPPER}


@pytest.fixture
def sealed(home: Path) -> Path:
    """A home with two sealed uses."""
    write(home, use(0), use(1, user_agent="=cmd()\x1b[31m\u202e"))
    assert keytrail("seal", **SET).stdout == b"sealed 2 uses of 1 segments\n"
    return home


def test_sealing_from_a_timer(sealed: Path) -> None:
    """The same command again has nothing to do, and questions have the same answer."""
    assert keytrail("seal", **SET).stdout == b"sealed 0 uses of 0 segments\n"
    answer = json.loads(keytrail("keys", "--format", "json", **SET).stdout)
    assert [(row["key"], row["uses"]) for row in answer["rows"]] == [(F1, 2)]
    assert list(sealed.glob("live/*")) == []


def test_old_days_are_dropped_as_set(sealed: Path) -> None:
    """The answer says that they were."""
    ran = keytrail("seal", KEYTRAIL_STORE_DAYS="1", **SET)
    assert ran.stdout.splitlines()[1] == b"dropped 2 uses of days that the store no longer keeps"
    assert b"2 uses from 2025-11-25" in keytrail("keys", **SET).stdout


def test_a_healthy_store_is_verified(sealed: Path) -> None:
    """With the head that is to be noted; and given back, it is found."""
    ran = keytrail("verify", **SET)
    found = re.fullmatch(
        rf"{sealed}: 1 sealed files with 2 uses are whole\nhead: (2:[0-9a-f]{{64}})\n"
        r"not covered: what is not sealed yet; who holds the pepper can write a whole new store, "
        r"which only a head noted elsewhere shows\n",
        ran.stdout.decode(),
    )
    assert (ran.returncode, bool(found)) == (0, True)
    assert found is not None
    assert keytrail("verify", "--head", found[1], **SET).returncode == 0
    assert keytrail("verify", "--head", f"3{found[1][1:]}", **SET).returncode == 1


def test_a_changed_file_is_told_with_exit_1(sealed: Path) -> None:
    """Which, when it was sealed and changed, and of which uses."""
    (path,) = sealed.glob("sealed/*")
    with path.open("r+b") as file:
        file.seek(50)
        file.write(b"\0\0\0\0")
    os.utime(path, ns=(T0, T0))
    ran = keytrail("verify", **SET)
    told = ran.stdout.decode().splitlines()
    assert (ran.returncode, told[0]) == (1, f"sealed/{path.name}: changed")
    assert told[2:4] == [
        "  changed on disk 2025-11-25 18:00:00 UTC",
        "  with uses from 2025-11-25 18:00:00 UTC to 2025-11-25 18:00:01 UTC",
    ]
    as_json = json.loads(keytrail("verify", "--format", "json", **SET).stdout)
    assert as_json[str(sealed)]["problems"][0]["what"] == "changed"


def test_verifying_under_another_pepper_is_told(sealed: Path) -> None:
    """A previous one is enough."""
    other = keytrail("verify", KEYTRAIL_PEPPER="f" * 32)
    assert other.returncode == 1
    assert b"set KEYTRAIL_PREVIOUS_PEPPERS" in other.stdout
    rotated = keytrail("verify", KEYTRAIL_PEPPER="f" * 32, KEYTRAIL_PREVIOUS_PEPPERS=PEPPER)
    assert rotated.returncode == 0


def test_a_question_seals_what_is_a_day_old(home: Path) -> None:
    """And says so, beside the answer."""
    path = write(home, use(0))
    os.utime(path, (1, 1))
    ran = keytrail("keys", "--format", "csv", **SET)
    assert ran.stderr.startswith(b"keytrail: sealing what services have written")
    assert len(ran.stdout.splitlines()) == 2
    assert not path.exists()


def test_a_question_is_answered_where_nothing_can_be_sealed(home: Path) -> None:
    """The reason is told."""
    path = write(home, use(0))
    os.utime(path, (1, 1))
    (home / "sealed").write_text("in the way")
    ran = keytrail("keys", "--format", "csv", **SET)
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 2)
    assert b"cannot be changed" in ran.stderr


def test_erasing_asks_first(sealed: Path) -> None:
    """Without --yes it is counted, with it done."""
    counted = keytrail("erase", "--client", "192.0.2.1", **SET)
    assert counted.stdout == b"to be erased from 2 uses in 1 sealed files\n"
    assert counted.stderr == b"hint: nothing was changed; give --yes to do it\n"
    done = keytrail("erase", "--client", "192.0.2.1", "--yes", "--note", "ticket 7", **SET)
    assert (done.returncode, done.stdout) == (0, b"erased from 2 uses in 1 sealed files\n")
    uses = keytrail("uses", "--format", "ndjson", **SET)
    assert [json.loads(line)["client"] for line in uses.stdout.splitlines()] == ["REDACTED"] * 2
    assert b"erased or made nameless for one client" in uses.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--client", "192.0.2.1", "--key", F1),
        ("--client", "nonsense"),
        ("--key", "kt_test_4f9a2c7e8b1d6053"),
    ],
)
def test_what_cannot_be_erased_is_told(home: Path, arguments: tuple[str, ...]) -> None:
    """A raw key that is given by mistake is not repeated."""
    ran = keytrail("erase", *arguments, "--yes", **SET)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"\nhint: " in ran.stderr
    assert b"4f9a2c7e" not in ran.stderr


def test_exports_are_text_that_is_shown_and_not_run(sealed: Path) -> None:
    """CSV guards formulas and control characters; NDJSON has the whole line."""
    shown = keytrail("export", "--format", "csv", **SET).stdout.decode()
    rows = list(csv.DictReader(io.StringIO(shown, newline="")))
    assert [row["user_agent"] for row in rows] == ["", "'=cmd()\\x1b[31m\\u202e"]
    lines = keytrail("export", **SET).stdout.splitlines()
    assert json.loads(lines[1])["user_agent"] == "=cmd()\x1b[31m\u202e"
    assert json.loads(lines[0])["attributes"] == {"keytrail.key.type": "opaque"}


def test_parquet_needs_a_file(sealed: Path, tmp_path: Path) -> None:
    """With one it is written."""
    assert keytrail("export", "--format", "parquet", **SET).returncode == 2
    out = tmp_path / "out.parquet"
    ran = keytrail("export", "--format", "parquet", "--output", str(out), **SET)
    assert ran.returncode == 0
    assert ran.stderr.startswith(b"keytrail: exported 2 uses, exact: 2025-11-25 18:00:00 to 20")
    assert out.read_bytes()[:4] == b"PAR1"


def test_an_export_for_a_siem_has_a_manifest(sealed: Path, tmp_path: Path) -> None:
    """One event a use, and a file by which an auditor sees that they are still the ones."""
    out, manifest = tmp_path / "uses.ocsf", tmp_path / "uses.manifest.json"
    files = ("--output", str(out), "--manifest", str(manifest))
    ran = keytrail("export", "--format", "ocsf", "--since", "2025-11-25", *files, **SET)
    assert ran.returncode == 0
    assert ran.stderr.startswith(b"keytrail: exported 2 uses, bounded: 2025-11-25 18:00:00 to 20")
    assert ran.stderr.endswith(b" UTC\n  the journal begins at 2025-11-25 18:00:00 UTC\n")
    assert [json.loads(line)["class_uid"] for line in out.read_text().splitlines()] == [6003] * 2
    told = json.loads(manifest.read_text())
    assert (told["since"], told["until"]) == ("2025-11-25T00:00:00.000000000Z", None)
    content = out.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    named = {"name": "uses.ocsf", "bytes": len(content), "sha256": digest, "uses": 2}
    assert told["files"] == [named]
    assert (told["from"], told["whole"]) == (f"the journal in {sealed}", True)
    assert told["completeness"]["worth"] == "bounded"
    sums = "".join(f"{one['sha256']}  {one['name']}\n" for one in told["files"])
    for expected in (0, 1):
        checked = subprocess.run(
            ["sha256sum", "-c", "--status"], input=sums.encode(), cwd=tmp_path, check=False
        )
        assert checked.returncode == expected
        out.write_bytes(content.replace(b"6003", b"6004", 1))


def test_an_export_without_a_sealed_file_never_looks_whole(sealed: Path, tmp_path: Path) -> None:
    """What is left is written, and exit code, stderr and manifest say that it is not all."""
    (lost,) = sealed.glob("sealed/*.parquet")
    lost.unlink()
    write(sealed, use(2), name="later.ndjson")
    out, manifest = tmp_path / "uses.ndjson", tmp_path / "uses.json"
    ran = keytrail("export", "--output", str(out), "--manifest", str(manifest), **SET)
    assert ran.returncode == 1
    assert b"keytrail: exported 1 use, bounded: " in ran.stderr
    assert b"\n  1 sealed file missing or cut: run keytrail verify\n" in ran.stderr
    assert b"the export is not whole: 1 of the journal's files are missing" in ran.stderr
    told = json.loads(manifest.read_text())
    assert (told["whole"], told["files"][0]["uses"]) == (False, 1)


def test_a_manifest_is_of_a_file(sealed: Path, tmp_path: Path) -> None:
    """What went to stdout cannot be checked later."""
    ran = keytrail("export", "--manifest", str(tmp_path / "m.json"), **SET)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr == b"keytrail: a manifest is of a file\nhint: give --output\n"


def test_an_export_that_cannot_be_written_is_told(sealed: Path) -> None:
    """What, where, and the next step."""
    ran = keytrail("export", "--output", "/nowhere/out.ndjson", **SET)
    assert (ran.returncode, ran.stderr) == (
        1,
        b"keytrail: /nowhere/out.ndjson: No such file or directory\nhint: give another --output\n",
    )


def test_importing_tells_what_it_found(home: Path, tmp_path: Path) -> None:
    """Spans without keytrail attributes and half lines are no errors, other lines are."""
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "startTimeUnixNano": "1"}
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    file = tmp_path / "in.jsonl"
    file.write_text(line + "\n" + line[:20])
    ran = keytrail("import", str(file), **SET)
    assert (ran.returncode, ran.stdout) == (0, b"0 new uses of 1 spans\n")
    assert ran.stderr.decode().splitlines() == [
        "keytrail: 1 spans have no keytrail attributes, and tell of no key",
        "keytrail: 1 files end in half a line: their writer died, or still writes",
    ]
    file.write_text("nonsense\n")
    assert keytrail("import", str(file), **SET).returncode == 1


def test_sql_shows_values_as_text(sealed: Path) -> None:
    """In a table, in CSV, in JSON lines."""
    query = "SELECT user_agent FROM uses WHERE user_agent IS NOT NULL"
    assert b"=cmd()\\x1b[31m\\u202e" in keytrail("sql", query, **SET).stdout
    as_csv = keytrail("sql", query, "--format", "csv", **SET).stdout
    assert as_csv == b"user_agent\r\n'=cmd()\\x1b[31m\\u202e\r\n"
    as_json = keytrail("sql", query, "--format", "ndjson", **SET).stdout
    assert json.loads(as_json) == {"user_agent": "=cmd()\x1b[31m\u202e"}


def test_without_a_lasting_pepper_nothing_is_signed(home: Path, tmp_path: Path) -> None:
    """A pepper file that is not there is told."""
    write(home, use(0))
    ran = keytrail("seal", KEYTRAIL_PEPPER_FILE=str(tmp_path / "missing"))
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"keytrail: there is no pepper to sign the store with: ")
