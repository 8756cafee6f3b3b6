"""The configuration that a team runs, read without changing what its texts mean.

Every scalar stays the text that it is: a reader that took ``on`` or ``1e3`` for something else
would write another value back.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import merged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_EXPANSION: Final = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\}", re.DOTALL)
_OURS: Final = re.compile(r"[^/]+/keytrail(?:_|$)")


Listed = Literal["receivers", "processors"]
"""What a pipeline lists."""


@dataclass(frozen=True, slots=True)
class Yours:
    """What matters here of a team's configuration."""

    config: dict[str, Any]
    pipelines: dict[str, dict[str, Any]]
    extensions: Sequence[str]
    notes: Sequence[str] = ()
    """What whoever renders should know."""

    def listed(self, pipeline: str, what: Listed) -> Sequence[str] | str:
        """Return a list of a pipeline; a text is an expansion that the Collector makes."""
        found = self.pipelines[pipeline].get(what) or []
        return found if isinstance(found, str) else [str(name) for name in found]

    @property
    def connectors(self) -> frozenset[str]:
        """The names of the components that hand on between pipelines."""
        return frozenset(self.config.get("connectors") or {})

    def of_signal(self, signal: str) -> list[str]:
        """Return the names of the pipelines for ``signal``."""
        return [name for name in self.pipelines if name.partition("/")[0] == signal]


def read(paths: Sequence[Path], environ: Mapping[str, str] = os.environ) -> Yours:
    """Read one configuration from files, merged in order as the Collector does.

    Raises:
        CollectorError: a file is no configuration, or one with names that are keytrail's.

    """
    config: dict[str, Any] = {}
    for path in paths:
        config = merged(config, _read(path))
    where = ", ".join(map(str, paths))
    pipelines = _pipelines(config, where)
    _refuse_ours(config, pipelines, where)
    extensions, notes = _extensions(config, where, environ)
    return Yours(config, pipelines, extensions, notes)


def expanded(value: str, environ: Mapping[str, str]) -> list[str] | None:
    """Return the list that an expansion such as ``${env:NAME:-[a]}`` stands for now.

    ``None`` where it can't be told.
    """
    match = _EXPANSION.fullmatch(value.strip())
    if match is None:
        return None
    content = environ.get(match[1]) or match[2]
    if content is None:
        return None
    found = yaml.load(content, Loader=_Texts)  # noqa: S506 - builds texts, lists and mappings only
    return [str(item) for item in found] if isinstance(found, list) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.load(path.read_text(), Loader=_Texts)  # noqa: S506 - as above
    except OSError as error:
        raise CollectorError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise CollectorError(f"{path}{line}: this is no YAML") from None
    if not isinstance(config, dict):
        raise CollectorError(f"{path}: this is no Collector configuration")
    return config


def _pipelines(config: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    service = config.get("service")
    pipelines = service.get("pipelines") if isinstance(service, dict) else None
    if not isinstance(pipelines, dict) or not all(
        isinstance(pipeline, dict) for pipeline in pipelines.values()
    ):
        raise CollectorError(
            f"{where}: service.pipelines is not written out here\n"
            "hint: name every file of the configuration: --base one.yaml --base two.yaml"
        )
    return pipelines


def _refuse_ours(config: dict[str, Any], pipelines: dict[str, Any], where: str) -> None:
    sections = ("extensions", "receivers", "processors", "connectors", "exporters")
    names = [name for section in sections for name in config.get(section) or {}]
    ours = sorted(name for name in (*names, *pipelines) if _OURS.match(name))
    if ours:
        raise CollectorError(
            f"{where}: {ours[0]} is there already, and would be replaced\n"
            "hint: render from the configuration without keytrail's fragment"
        )


def _extensions(
    config: dict[str, Any], where: str, environ: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return the list of extensions; one from the environment is read now, and that is said."""
    found = config["service"].get("extensions") or []
    if isinstance(found, list):
        return [str(name) for name in found], []
    listed = expanded(found, environ)
    if listed is None:
        raise CollectorError(
            f"{where}: service.extensions is {found}, which has no value here; ours would replace "
            "it\nhint: set the variable as the Collector has it, and render again"
        )
    note = (
        f"service.extensions is {found}: it is {listed} here and now, and that is what was "
        "rendered. Render again when it changes."
    )
    return listed, [note]


class _Texts(yaml.SafeLoader):
    """Reads every scalar as text; only ``<<`` keeps its meaning."""


_Texts.yaml_implicit_resolvers = {
    "<": [("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"))],
}
