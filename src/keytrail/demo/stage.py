"""The directory that the demo leaves behind: the journal, the inventory and the services' logs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keytrail.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from keytrail.demo.cast import Cast
    from keytrail.settings import Secret

_MARK = "# Made by keytrail demo: names the owners of keys by the fingerprints of the keys.\n"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays."""

    directory: Path

    @property
    def home(self) -> Path:
        """The home of keytrail: journal and pepper."""
        return self.directory / "home"

    @property
    def inventory(self) -> Path:
        """The file that names the owners of the keys."""
        return self.directory / "inventory.toml"

    @property
    def logs(self) -> Path:
        """What the services wrote to stdout and stderr, one file each."""
        return self.directory / "logs"

    def clear(self) -> None:
        """Make the directory, or empty it of an earlier demo.

        Raises:
            DemoError: it holds something else.

        """
        if self.directory.exists() and any(self.directory.iterdir()):
            if not self._is_ours():
                raise DemoError(
                    f"{self.directory} is not empty, and not from an earlier demo\n"
                    "hint: name another directory with --dir"
                )
            shutil.rmtree(self.directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir()

    def write_inventory(self, cast: Cast, fingerprint: Callable[[Secret], str]) -> None:
        """Name the owner of every key that is not a stranger's."""
        entries = [
            {"fingerprint": fingerprint(caller.key), "name": caller.name, "owner": caller.owner}
            for caller in cast.callers
            if caller.known
        ]
        for name, key in (
            ("warehouse", cast.warehouse_key),
            ("payments", cast.payments_key),
            ("shipping", cast.shipping_key),
        ):
            entries.append(
                {"fingerprint": fingerprint(key), "name": name, "owner": "Platform team"}
            )
        self.inventory.write_text(_MARK + "".join(map(_entry, entries)))

    def _is_ours(self) -> bool:
        return self.inventory.is_file() and self.inventory.read_text().startswith(_MARK)


def _entry(fields: Mapping[str, str]) -> str:
    """Return the entry of one key; every service of the demo is on this machine."""
    lines = "".join(f'{name} = "{value}"\n' for name, value in fields.items())
    return f'\n[[keys]]\n{lines}hosts = ["127.0.0.1"]\n'
