from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from keytrail.store import chain, manifest
from keytrail.store.errors import StoreError
from keytrail.store.ledger import opened
from keytrail.store.sealing import seal
from keytrail.store.signing import Signer
from keytrail.store.verifying import Problem, Verified, verify
from store.sealing_kit import PEPPERS, SIGNER, files_of
from store.segment_kit import SECOND, T0, record, use, write
from support.cases import PEPPER

FLIPS = int(os.environ.get("KEYTRAIL_FLIPS", "400"))
"""How many single bits are turned; 0 for every bit of every file."""
DAY = 86_400 * SECOND


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three days that was sealed in several steps; copied by each test."""
    home = tmp_path_factory.mktemp("sealed") / "home"
    for step in range(4):
        days = [use(step * 10 + day, time=T0 + day * DAY + step) for day in range(3)]
        write(home, record("start"), *days, *days[:step], name=f"{step}.ndjson")
        seal(home, SIGNER)
    return home


@pytest.fixture
def home(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the sealed store."""
    shutil.copytree(sealed, tmp_path / "home")
    return tmp_path / "home"


def _whats(home: Path, **options: str) -> list[tuple[str, str | None]]:
    return [(problem.what, problem.path) for problem in verify(home, SIGNER, **options).problems]


def _protected(home: Path) -> list[Path]:
    return [home / manifest.NAME, home / manifest.HEAD, *sorted((home / "sealed").iterdir())]


def test_a_healthy_store_has_no_problem(home: Path) -> None:
    """What was sealed is counted, and what is not protected is too."""
    write(home, use(90), name="live.ndjson")
    head = manifest.read_head(home)
    assert head is not None
    assert verify(home, SIGNER) == Verified(
        problems=(),
        head=f"{head[0]}:{head[1]}",
        files=len(files_of(home)),
        uses=12,
        live=1,
        unfinished=(),
    )


def test_nothing_sealed_is_no_problem(tmp_path: Path) -> None:
    """A home that does not exist yet."""
    assert verify(tmp_path / "home", SIGNER) == Verified((), "", 0, 0, 0, ())


def test_the_first_sealing_beside_a_look_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it there is no lock by which the two could wait for each other."""
    write(tmp_path, use(0))
    read = chain.read

    def read_before(home: Path, signer: Signer) -> chain.Chain:
        found = read(home, signer)
        monkeypatch.undo()
        seal(home, signer)
        return found

    monkeypatch.setattr(chain, "read", read_before)
    found = verify(tmp_path, SIGNER)
    assert (found.problems, found.uses) == ((), 1)


def _bits(home: Path) -> list[tuple[Path, int]]:
    every = [(path, bit) for path in _protected(home) for bit in range(8 * path.stat().st_size)]
    if not FLIPS:
        return every
    per_file = FLIPS // len(_protected(home)) + 1
    chosen = random.Random(0)
    ends = [(path, 8 * path.stat().st_size - bit) for path in _protected(home) for bit in (1, 8)]
    return ends + [
        (path, chosen.randrange(8 * path.stat().st_size))
        for path in _protected(home)
        for _ in range(per_file)
    ]


def _is_told(home: Path) -> bool:
    try:
        return bool(verify(home, SIGNER).problems)
    except StoreError as error:
        return "version" in str(error)


def test_every_bit_that_is_turned_is_detected(home: Path) -> None:
    """In any file, anywhere; and when it is turned back, there is no problem."""
    undetected = []
    for path, bit in _bits(home):
        content = path.read_bytes()
        turned = bytearray(content)
        turned[bit // 8] ^= 1 << bit % 8
        path.write_bytes(turned)
        if not _is_told(home):
            undetected.append((path.name, bit))
        path.write_bytes(content)
    assert undetected == []
    assert verify(home, SIGNER).problems == ()


def test_every_cut_is_detected(home: Path) -> None:
    """At any place of any file, its last byte included."""
    for path in _protected(home):
        content = path.read_bytes()
        cuts = {0, 1, len(content) // 2, len(content) - 1}
        if path.suffix == ".ndjson":
            cuts |= {at + 1 for at in range(len(content) - 1) if content[at : at + 1] == b"\n"}
        for cut in cuts:
            path.write_bytes(content[:cut])
            assert verify(home, SIGNER).problems, (path.name, cut)
        path.write_bytes(content)


def test_every_removal_and_swap_is_detected(home: Path, tmp_path: Path) -> None:
    """Of any file, and of any two."""
    aside = tmp_path / "aside"
    paths = _protected(home)
    for path in paths:
        path.rename(aside)
        assert verify(home, SIGNER).problems, path.name
        for other in paths:
            if other != path:
                other.rename(path)
                aside.rename(other)
                assert verify(home, SIGNER).problems, (path.name, other.name)
                other.rename(aside)
                path.rename(other)
        aside.rename(path)
    assert verify(home, SIGNER).problems == ()


def test_lines_that_are_removed_moved_or_repeated_are_detected(home: Path) -> None:
    """Any one line of the manifest, any two neighbours."""
    path = home / manifest.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(len(lines)):
        without = lines[:number] + lines[number + 1 :]
        swapped = [*lines[:number], *reversed(lines[number : number + 2]), *lines[number + 2 :]]
        twice = lines[: number + 1] + lines[number:]
        for changed in [without, twice] + ([swapped] if number + 1 < len(lines) else []):
            path.write_bytes(b"".join(changed))
            assert verify(home, SIGNER).problems, number


def test_a_changed_file_is_told_with_its_times(home: Path) -> None:
    """Which, when it was sealed, when it was changed, and the uses that it holds."""
    file = files_of(home)[1]
    path = home / file.path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(T0, T0))
    (entry,) = [entry for entry in manifest.read(home).entries if file in entry.files]
    assert verify(home, SIGNER).problems == (
        Problem("changed", file.path, entry.time, T0, file.first, file.last),
    )


def test_each_harm_has_its_words(home: Path) -> None:
    """Missing, cut, added, and a manifest whose lines are gone."""
    missing, cut, *_ = files_of(home)
    (home / missing.path).unlink()
    os.truncate(home / cut.path, 10)
    shutil.copy(
        home / "sealed" / files_of(home)[2].name, home / "sealed/2025-11-30-000099-x.parquet"
    )
    assert set(_whats(home)) == {
        ("missing", missing.path),
        (f"cut to 10 of {cut.bytes:,} bytes", cut.path),
        ("added", "sealed/2025-11-30-000099-x.parquet"),
    }


def test_a_manifest_that_was_cut_is_told(home: Path) -> None:
    """Its head knows how long it was."""
    path = home / manifest.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    (what, _), *_ = _whats(home)
    assert what == (
        f"manifest.ndjson ends at line {len(lines) - 1}, manifest.head is that of line "
        f"{len(lines)}: lines were cut off; what was sealed since cannot be checked"
    )


def test_a_line_that_was_changed_is_told(home: Path) -> None:
    """Which one; the lines behind it prove nothing any more."""
    path = home / manifest.NAME
    path.write_bytes(path.read_bytes().replace(b'"gaps":0', b'"gaps":1', 1))
    (what, _), *_ = _whats(home)
    assert what == "manifest.ndjson: line 2 was changed; what was sealed since cannot be checked"


def test_a_noted_head_proves_a_rewritten_store(home: Path, tmp_path: Path) -> None:
    """Who holds the pepper can rewrite everything, but not what was noted elsewhere."""
    noted = verify(home, SIGNER).head
    assert _whats(home, head=noted) == []
    write(home, use(50), name="more.ndjson")
    seal(home, SIGNER)
    assert _whats(home, head=noted) == []
    seq, _, mac = noted.partition(":")
    forged = tmp_path / "forged"
    write(forged, use(0))
    seal(forged, SIGNER)
    assert _whats(forged, head=noted) == [
        (
            f"the noted head is of line {seq}, manifest.ndjson ends at line 2: lines were cut off",
            None,
        )
    ]
    assert _whats(forged, head=f"2:{mac}") == [
        ("line 2 is not the one of the noted head: manifest.ndjson was rewritten", None)
    ]


@pytest.mark.parametrize("head", ["", "x", "1:2", "1:" + "0" * 63, "-1:" + "0" * 64])
def test_a_head_that_is_none_is_told(home: Path, head: str) -> None:
    """What was given is not repeated."""
    with pytest.raises(StoreError, match="--head: this is no head\nhint: "):
        verify(home, SIGNER, head=head)


def test_a_rotated_pepper_still_proves_what_it_signed(home: Path) -> None:
    """As long as it is known as a previous one; else that is told."""
    rotated = Peppers(Secret("f" * 32), (Secret(PEPPER),)).manifest_keys()
    write(home, use(50), name="more.ndjson")
    seal(home, Signer(rotated))
    assert verify(home, Signer(rotated)).problems == ()
    alone = Signer(Peppers(Secret("f" * 32)).manifest_keys())
    assert [problem.what for problem in verify(home, alone).problems] == [
        f"manifest.ndjson has lines under pepper {PEPPERS.id}, which is not known here: "
        "set KEYTRAIL_PREVIOUS_PEPPERS"
    ]


def test_the_signing_key_is_no_fingerprint() -> None:
    """A caller that presents "keytrail manifest" as its key learns nothing of it."""
    (key,) = PEPPERS.manifest_keys().values()
    assert PEPPERS.fingerprint(b"keytrail manifest") not in (key.hex(), key.hex()[:64])
    assert len(key) == 64


def test_who_changed_the_store_cannot_have_it_sealed_over(home: Path) -> None:
    """Sealing goes on only from a manifest that is whole."""
    path = home / manifest.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    write(home, use(50), name="more.ndjson")
    with pytest.raises(StoreError, match=r"was changed by others: manifest\.ndjson ends at line"):
        seal(home, SIGNER)
    assert (home / "live/2025-11-25/more.ndjson").exists()


def _unlisted(home: Path) -> None:
    with opened(home, SIGNER) as ledger:
        draft = ledger.draft("2025-11-25")
        draft.write_bytes((home / files_of(home)[0].path).read_bytes())
        ledger.publish(draft)


def _half_a_line(home: Path) -> None:
    with (home / manifest.NAME).open("ab") as file:
        file.write(b'{"seq":')


def _no_newer_head(home: Path) -> None:
    head = (home / manifest.HEAD).read_bytes()
    write(home, use(50), name="more.ndjson")
    seal(home, SIGNER)
    (home / manifest.HEAD).write_bytes(head)


def _a_draft(home: Path) -> None:
    (home / "sealed/2025-11-25-000099.partial").write_bytes(b"half")


@pytest.mark.parametrize("cut_short", [_unlisted, _half_a_line, _no_newer_head, _a_draft])
def test_what_a_killed_sealing_leaves_is_no_problem(
    home: Path, cut_short: Callable[[Path], None]
) -> None:
    """Nobody is alarmed, and the next sealing removes it."""
    cut_short(home)
    assert verify(home, SIGNER).problems == ()
    seal(home, SIGNER)
    assert verify(home, SIGNER).problems == ()
    assert {path.name for path in (home / "sealed").iterdir()} == {
        file.name for file in files_of(home)
    }
    for line in (home / manifest.NAME).read_bytes().splitlines():
        json.loads(line)
