"""Where audit spans are delivered to: one fragment for each backend, written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from keytrail.collector import files
from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import Part

if TYPE_CHECKING:
    from pathlib import Path


def names() -> list[str]:
    """Return the backends that there is a fragment for."""
    return sorted(path.stem for path in (files.directory() / "backends").glob("*.yaml"))


def backend(name: str) -> Part:
    """Return the exporters of a backend, and the extensions that they need.

    Raises:
        CollectorError: there is no such fragment.

    """
    if name not in names():
        raise CollectorError(f"{name}: no such backend\nhint: one of {', '.join(names())}")
    return Part(_components(files.directory() / "backends" / f"{name}.yaml"))


def _components(path: Path) -> dict[str, dict[str, Any]]:
    """Return the fragment without its pipelines, which say only where its exporters belong."""
    config: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())
    return {section: value for section, value in config.items() if section != "service"}
