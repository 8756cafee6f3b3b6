"""Where the pepper comes from, and that two processes get the same one."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keytrail.capture.fingerprint import Peppers
from keytrail.capture.pepper import load_peppers
from keytrail.settings import Secret, Settings
from support.cases import F1, K1, PEPPER

_PRINT_ID = """
import pathlib, sys
from keytrail.capture.pepper import load_peppers
from keytrail.settings import Settings
loaded = load_peppers(Settings(home=pathlib.Path(sys.argv[1])))
print(loaded.origin, loaded.peppers.id)
"""


def _id(pepper: str) -> str:
    return Peppers(Secret(pepper)).id


def test_the_setting_comes_first(tmp_path: Path) -> None:
    """A pepper in the settings is used, whatever the files say."""
    file = tmp_path / "pepper.txt"
    file.write_text("f" * 32)
    loaded = load_peppers(Settings(pepper=Secret(PEPPER), pepper_file=file, home=tmp_path))
    assert loaded.peppers.fingerprint(K1.encode()) == F1
    assert loaded[1:] == ("setting", None, None)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_file_is_read_without_its_last_newline(tmp_path: Path, ending: str) -> None:
    """An editor's newline is no part of the pepper."""
    file = tmp_path / "pepper.txt"
    file.write_bytes((PEPPER + ending).encode())
    loaded = load_peppers(Settings(pepper_file=file, home=tmp_path / "home"))
    assert (loaded.peppers.id, *loaded[1:]) == (_id(PEPPER), "file", file, None)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"short", "a pepper needs at least 32 characters\nhint: openssl rand -hex 32"),
        (
            b"\xff" * 40,
            "a pepper is printable ASCII without blanks or $\nhint: openssl rand -hex 32",
        ),
        (b"a" * 5000, "the file is too long for a pepper"),
    ],
    ids=["missing", "short", "binary", "long"],
)
def test_a_file_that_cannot_be_used_is_named_and_one_is_generated(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    """The service runs on under the installation's pepper, and the caller can say why."""
    file = tmp_path / "pepper.txt"
    if content is not None:
        file.write_bytes(content)
    loaded = load_peppers(Settings(pepper_file=file, home=tmp_path / "home"))
    expected = ("generated", tmp_path / "home" / "pepper", f"{file}: {problem}")
    assert loaded[1:] == expected


def test_the_generated_pepper_is_private_and_stays(tmp_path: Path) -> None:
    """It is made once, readable by its owner alone, in a directory that is the owner's alone."""
    settings = Settings(home=tmp_path / "state" / "keytrail")
    first, second = load_peppers(settings), load_peppers(settings)
    assert first.peppers.id == second.peppers.id
    assert first.path is not None
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    assert [file.name for file in first.path.parent.iterdir()] == ["pepper"]


def test_processes_that_race_get_the_same_pepper(tmp_path: Path) -> None:
    """Of several processes that start at once, one makes the pepper and all use it."""
    command = [sys.executable, "-c", _PRINT_ID, str(tmp_path / "home")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {process.communicate(timeout=60)[0] for process in racing}
    assert told == {f"generated {load_peppers(Settings(home=tmp_path / 'home')).peppers.id}\n"}


def test_where_no_file_can_be_written_the_pepper_lives_with_the_process(tmp_path: Path) -> None:
    """A home that is no directory costs lasting fingerprints, not the service."""
    home = tmp_path / "file" / "home"
    home.parent.write_text("")
    loaded = load_peppers(Settings(home=home))
    assert loaded[1:] == ("process", None, f"{home / 'pepper'}: Not a directory")
    assert loaded.peppers.id != load_peppers(Settings(home=home)).peppers.id


def test_a_damaged_generated_pepper_is_told_and_never_overwritten(tmp_path: Path) -> None:
    """What is left of it may be what a backup is compared with."""
    (tmp_path / "pepper").write_text("damaged")
    loaded = load_peppers(Settings(home=tmp_path))
    assert loaded.origin == "process"
    assert (tmp_path / "pepper").read_text() == "damaged"


def test_previous_peppers_come_along(tmp_path: Path) -> None:
    """During a rotation the earlier fingerprint is told too."""
    loaded = load_peppers(Settings(previous_peppers=(Secret(PEPPER),), home=tmp_path))
    assert loaded.peppers.previous(K1.encode()) == F1
