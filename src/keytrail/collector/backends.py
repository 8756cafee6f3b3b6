"""Where audit spans are delivered to: one fragment for each backend, written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from keytrail.collector import files
from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import Part, together
from keytrail.collector.keeping import AUDIT, JOURNAL
from keytrail.collector.measuring import TO_METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence


def names() -> list[str]:
    """Return the backends that there is a fragment for."""
    return sorted(path.stem for path in (files.directory() / "backends").glob("*.yaml"))


@dataclass(frozen=True, slots=True)
class Backend:
    """What one or several backends add."""

    part: Part
    exporters: Sequence[str]
    """Those that belong into the audit's pipeline."""


def backends(names: Sequence[str]) -> Backend:
    """Return what the fragments of these backends add together.

    Raises:
        CollectorError: there is no such fragment.

    """
    found = [_read(name) for name in names]
    exporters = [exporter for one in found for exporter in one.exporters]
    return Backend(together(*(one.part for one in found)), exporters)


def _read(name: str) -> Backend:
    if name not in names():
        raise CollectorError(f"{name}: no such backend\nhint: one of {', '.join(names())}")
    path = files.directory() / "backends" / f"{name}.yaml"
    config: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())
    pipelines = dict(config.pop("service")["pipelines"])
    audit = pipelines.pop(AUDIT, {"exporters": []})
    own = [one for one in audit["exporters"] if one not in (JOURNAL, TO_METRICS)]
    return Backend(Part({**config, "service": {"pipelines": pipelines}}), own)
