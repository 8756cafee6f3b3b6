from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from keytrail.store.errors import StoreError
from keytrail.store.sealing import Sealing, seal
from keytrail.store.verifying import verify
from store.sealing_kit import SIGNER, live_of, paths_of
from store.segment_kit import use, write

_IS_ROOT = os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(4096))
    return filler


def test_a_full_disk_costs_nothing(small_disk: Path) -> None:
    """The segments stay, the store is whole, and with room again all is sealed."""
    home = small_disk / "home"
    write(home, use(0), name="a.ndjson")
    seal(home, SIGNER)
    uses = [use(number, user_agent=os.urandom(300).hex()) for number in range(1, 200)]
    write(home, *uses, name="b.ndjson")
    filler = _fill(small_disk)
    with pytest.raises(StoreError, match="\nhint: nothing is lost") as caught:
        seal(home, SIGNER)
    assert str(home) in str(caught.value)
    assert len(paths_of(home)) == 200
    assert verify(home, SIGNER).problems == ()
    filler.unlink()
    assert seal(home, SIGNER).segments == 1
    assert len(paths_of(home)) == 200
    assert verify(home, SIGNER).problems == ()


def test_a_read_only_disk_costs_nothing(small_disk: Path) -> None:
    """Sealing is refused; reading and verifying go on."""
    home = small_disk / "home"
    write(home, use(0), name="a.ndjson")
    seal(home, SIGNER)
    write(home, use(1), name="b.ndjson")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="Read-only file system\nhint: nothing is lost"):
        seal(home, SIGNER)
    assert paths_of(home) == ["/orders/0", "/orders/1"]
    assert verify(home, SIGNER).problems == ()


@pytest.mark.skipif(not _IS_ROOT, reason="only root could write into another user's home")
def test_root_does_not_write_into_the_home_of_another_user(home: Path) -> None:
    """The services could not change what root wrote there."""
    write(home, use(0))
    os.chown(home, 12345, 12345)
    with pytest.raises(StoreError) as caught:
        seal(home, SIGNER)
    assert str(caught.value) == (
        f"the store in {home} belongs to user 12345: what root writes there, that user cannot "
        "change\nhint: run this as the user that the services run as"
    )
    assert live_of(home) == ["host-1-1.ndjson"]


@pytest.mark.skipif(not _IS_ROOT, reason="only root may become another user")
def test_what_belongs_to_another_user_is_told(home: Path) -> None:
    """What cannot be opened, and the next step."""
    write(home, use(0))
    os.seteuid(12345)
    try:
        with pytest.raises(StoreError) as caught:
            seal(home, SIGNER)
    finally:
        os.seteuid(0)
    what, hint = str(caught.value).split("\n")
    place = what.removeprefix(f"the store in {home} cannot be changed: ")
    place = place.removesuffix(": Permission denied")
    assert home.is_relative_to(place) or Path(place).is_relative_to(home)
    assert hint.startswith("hint: nothing is lost; run this as the user that the services run as")
    assert seal(home, SIGNER) == Sealing(1, 1, 1)
