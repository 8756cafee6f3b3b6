"""The files of ``collector-config``, in a checkout or in an installed package."""

from __future__ import annotations

from pathlib import Path


def directory() -> Path:
    """Return the directory that holds the fragments."""
    package = Path(__file__).parents[1]
    installed = package / "collector-config"
    return installed if installed.is_dir() else package.parents[1] / "collector-config"
