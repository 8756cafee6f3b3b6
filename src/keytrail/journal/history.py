"""What a home remembers of the processes before: their settings, and which of them ended hard.

Kept in ``history.json`` under the home, so that a change of settings and a process that wrote no
``stop`` record are each told once, by the next process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from keytrail.journal.records import encode_record
from keytrail.journal.segment import host_name, private_directory, segments
from keytrail.settings import Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

HISTORY: Final = "history.json"
MAX_SERVICES: Final = 256
MAX_ENDED: Final = 1024
STOP_START: Final = b'{"record":"stop"'
_TAIL: Final = 64 * 1024


class History:
    """Compares this process with what the home remembers. Used by one thread at a time."""

    def __init__(self, home: Path, settings: Settings, environ: Mapping[str, str]) -> None:
        self._home = home
        self._service = environ.get("OTEL_SERVICE_NAME") or Path(sys.argv[0]).name or "python"
        self.settings = _chosen(settings)
        """The settings that are not the default, as they may be shown."""
        self._pending: dict[str, Any] | None = None

    def records(self, now: int) -> list[bytes]:
        """Return the ``settings`` and ``gap`` records that are due; :meth:`told` ends them."""
        before = self._read()
        services, ended = before["services"], set(before["ended"])
        found = self._hard_ends(ended)
        known = services.get(self._service)
        lines = [hard_end(now, name, last) for name, last in found.items()]
        if known is not None and known != self.settings:
            lines.append(encode_record("settings", now, attributes=self._change(known)))
        if lines or known is None:
            services = {**services, self._service: self.settings}
            self._pending = {
                "services": dict(list(services.items())[-MAX_SERVICES:]),
                "ended": [*before["ended"], *found][-MAX_ENDED:],
            }
        return lines

    def told(self) -> None:
        """Remember what :meth:`records` returned: it is on disk."""
        if self._pending is None:
            return
        with contextlib.suppress(OSError):  # then it is told once more
            path = private_directory(self._home) / HISTORY
            fresh = path.with_name(f"{HISTORY}.{host_name()}-{os.getpid()}")  # pids repeat
            fresh.touch(0o600)
            fresh.write_text(json.dumps(self._pending))
            fresh.replace(path)
        self._pending = None

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads((self._home / HISTORY).read_text())
            return {"services": dict(found["services"]), "ended": list(found["ended"])}
        return {"services": {}, "ended": []}

    def _change(self, before: Mapping[str, Any]) -> dict[str, Any]:
        names = sorted({*before, *self.settings})
        changed = [name for name in names if before.get(name) != self.settings.get(name)]
        return {
            "service": self._service,
            "before": {name: before.get(name) for name in changed},
            "after": {name: self.settings.get(name) for name in changed},
        }

    def _hard_ends(self, told: set[str]) -> dict[str, int]:
        """Return the segments that nobody writes and nobody ended, with the time of the last use.

        A segment of this process is not among them: it holds its lock.
        """
        found: dict[str, int] = {}
        for segment in segments(self._home):
            if segment.state == "closed" and segment.path.name not in told:
                with contextlib.suppress(OSError):
                    last = _last_line(segment.path)
                    if not last.startswith(STOP_START):
                        found[segment.path.name] = _time_in(last)
        return found


def hard_end(now: int, segment: str, last: int) -> bytes:
    """Return the record of a process that wrote no ``stop``; how much it hid nobody knows."""
    attributes = {"uses": 0, "segment": segment, "last": last}
    return encode_record("gap", now, reason="ended_hard", attributes=attributes)


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        whole, _, _ = file.read().rpartition(b"\n")
    return whole.rpartition(b"\n")[2]


def _time_in(line: bytes) -> int:
    try:
        return int(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return 0


def _chosen(settings: Settings) -> dict[str, str]:
    """Return what differs from the defaults; of a secret only that it is set."""
    defaults = Settings()
    return {
        field.name: _shown(getattr(settings, field.name))
        for field in fields(Settings)
        if getattr(settings, field.name) != getattr(defaults, field.name)
    }


def _shown(value: Any) -> str:
    if isinstance(value, Secret):
        return "set"
    if isinstance(value, tuple):
        return ",".join(map(_shown, value))
    parts = urlsplit(str(value))
    if parts.scheme and parts.netloc:  # credentials stand anywhere else in a URL
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return str(value)
