"""A Collector's own commands: whether it takes a configuration, and what it is built with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from keytrail.collector import components
from keytrail.collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keytrail.collector.components import Components

NAMES: Final = ("keytrail-otelcol", "otelcol-contrib", "otelcol-k8s", "otelcol")
_BUILT: Final = Path("build") / NAMES[0]
_TIMEOUT: Final = 60.0
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast one where PyYAML has it: what a Collector prints has thousands of lines."""
_NO_PEPPER: Final = "only-for-validation-not-a-pepper-0"


def find(given: Path | None) -> Path:
    """Return the Collector that was given, that ``make collector`` built, or that PATH has.

    Raises:
        CollectorError: there is none.

    """
    if given is not None:
        return given
    if _BUILT.is_file():
        return _BUILT
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise CollectorError(
        "no Collector is here to ask\nhint: name one: --collector PROGRAM, or run make collector"
    )


def validate(program: Path, configs: Sequence[Path], environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with ``configs`` together; nothing where the Collector would start.

    The Collector's own check says nothing of an extension that a queue needs and the list of
    extensions lacks, with which it does not start: that is checked here. Without a pepper another
    one stands in for the check.
    """
    environment = {"KEYTRAIL_PEPPER": _NO_PEPPER, **environ}
    asked = _run(program, ["validate", *_options(configs)], environment)
    if asked.returncode:
        return [asked.stderr.strip() or asked.stdout.strip()]
    return unlisted_storage(print_config(program, configs, environment))


def print_config(
    program: Path, configs: Sequence[Path], environ: Mapping[str, str]
) -> dict[str, object]:
    """Return the configuration as the Collector merges it, its secrets left out.

    Raises:
        CollectorError: the Collector does not take it.

    """
    asked = _run(program, ["print-config", *_options(configs)], environ)
    if asked.returncode:
        raise CollectorError(f"{program}: {asked.stderr.strip()}")
    config: dict[str, object] = yaml.load(asked.stdout, Loader=_LOADER)  # noqa: S506 - a safe one
    return config


def unlisted_storage(config: dict[str, object]) -> list[str]:
    """Return a sentence for each storage that a queue names and no extension list has."""
    service = config.get("service")
    listed = service.get("extensions") if isinstance(service, dict) else None
    return [
        f"service::extensions does not list {name}: the Collector would not start"
        for name in sorted(set(_storages(config)) - set(listed or []))
    ]


def list_components(program: Path) -> Components:
    """Return what the Collector was built with.

    Raises:
        CollectorError: it can't be asked.

    """
    return components.read(_run(program, ["components"], os.environ).stdout)


def _storages(value: object) -> list[str]:
    if isinstance(value, list):
        return [name for inner in value for name in _storages(inner)]
    if not isinstance(value, dict):
        return []
    named = value.get("storage")
    here = [named] if isinstance(named, str) and re.match(r"\w+(?:/|$)", named) else []
    return here + [name for inner in value.values() for name in _storages(inner)]


def _options(configs: Sequence[Path]) -> list[str]:
    return [option for config in configs for option in ("--config", str(config))]


def _run(
    program: Path, arguments: Sequence[str], environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    program = program.resolve() if program.exists() else program
    try:
        return subprocess.run(  # noqa: S603 - the program that was named, to be asked
            [str(program), *arguments],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise CollectorError(
            f"{program}: {error.strerror}\nhint: name a Collector: --collector PROGRAM"
        ) from None
    except subprocess.TimeoutExpired:
        raise CollectorError(f"{program}: no answer within {_TIMEOUT:g} s") from None
