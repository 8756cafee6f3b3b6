"""Where this environment's own pipeline would leak keys, with keytrail and without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SECONDS: Final = 180
_QUIET: Final = {
    "OTEL_TRACES_SAMPLER": "always_on",
    "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
    "KEYTRAIL_OTLP_ENDPOINT": "",
}
"""Every span is looked at, and no metric is sent before its exporter is taken out of the way."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a canary, and the signals that it would leave in."""

    place: str
    without: tuple[str, ...]
    with_keytrail: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """Return the place as JSON has it."""
        return {"place": self.place, "without": [*self.without], "with": [*self.with_keytrail]}


@dataclass(frozen=True, slots=True)
class Examination:
    """What two dry runs of the pipeline told."""

    exporters: tuple[str, ...]
    places: tuple[Place, ...]

    def check(self) -> Check:
        """Return the sum of it."""
        stock = sum(bool(place.without) for place in self.places)
        ours = sum(bool(place.with_keytrail) for place in self.places)
        if not self.exporters:
            return Check(
                "leaks",
                "warn",
                "this environment configures no exporter: nothing would be exported",
                "set the OTEL_* variables of the service; a set-up in code is not seen",
            )
        says = (
            f"of {len(self.places)} places a key would leave from {stock} without keytrail, "
            f"from {ours} with it; nothing was sent to {', '.join(dict.fromkeys(self.exporters))}"
        )
        if ours:
            return Check("leaks", "fail", says, "see SECURITY.md, and report what it does not name")
        return Check("leaks", "ok", says)


class ExaminationError(Exception):
    """The pipeline did not start; the message is the type of what kept it from it."""


def examine(environ: Mapping[str, str]) -> Examination:
    """Run this environment's pipeline dry, in processes of their own, with keytrail and without.

    Raises:
        ExaminationError: it does not start here.
    """
    with tempfile.TemporaryDirectory(prefix="keytrail-") as directory:
        runs = [
            (_start(environ, Path(directory), name, flags), Path(directory) / name)
            for name, flags in (("with", ()), ("without", ("--without",)))
        ]
        ours, stock = [_told(process, told) for process, told in runs]
    places = tuple(_places(stock, ours))
    return Examination(tuple(ours["exporters"]), places)


def _start(
    environ: Mapping[str, str], directory: Path, name: str, flags: Sequence[str]
) -> subprocess.Popen[str]:
    home = {"KEYTRAIL_HOME": str(directory / f"home-{name}")}
    return subprocess.Popen(  # noqa: S603 - this very Python, with arguments of our own
        [sys.executable, "-m", "keytrail.leaks", str(directory / name), *flags],
        env={**environ, **_QUIET, **home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=os.getcwd(),
    )


def _told(process: subprocess.Popen[str], told: Path) -> dict[str, Any]:
    try:
        _, said = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise ExaminationError(f"no end within {_SECONDS} seconds") from None
    if not told.exists():
        last = said.strip().rpartition("\n")[2]
        raise ExaminationError(last.partition(":")[0] or "it ended without a word")
    read: dict[str, Any] = json.loads(told.read_text("utf-8"))
    return read


def _places(stock: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Place]:
    for place in ours["places"]:
        yield Place(place, _signals(stock, place), _signals(ours, place))


def _signals(told: Mapping[str, Any], place: str) -> tuple[str, ...]:
    return tuple(signal for signal, places in told["leaks"].items() if place in places)
