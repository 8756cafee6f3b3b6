"""``keytrail run``: a program under OpenTelemetry's auto-instrumentation with keytrail."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keytrail.cli.errors import CommandError
from keytrail.cli.options import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_AUTO_INSTRUMENTATION: Final = "opentelemetry.instrumentation.auto_instrumentation"
_EXPORTERS: Final = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_SAYS_WHERE_TO: Final = (*_EXPORTERS, "OTEL_CONFIG_FILE", "OTEL_PYTHON_DISTRO")
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126

Command = Annotated[list[str], typer.Argument(help="Program and arguments.", metavar="-- CMD…")]


def run(command: Command) -> None:
    """Run a program under auto-instrumentation with keytrail; the exit code is the program's.

    As `opentelemetry-instrument` does, but nothing is sent anywhere unless OTEL_* variables say so.
    """
    environ = instrumented(os.environ)
    program = shutil.which(command[0])
    if program is None:
        raise CommandError(
            f"{command[0]}: no such program\nhint: keytrail run -- python app.py", _NOT_FOUND
        )
    if environ.get("OTEL_TRACES_EXPORTER") != os.environ.get("OTEL_TRACES_EXPORTER"):
        _say_where_to()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and a program inherits
    try:
        os.execve(program, command, environ)  # noqa: S606 - to run what it is given is its purpose
    except OSError as error:
        raise CommandError(f"{program}: {error.strerror}", _NOT_EXECUTABLE) from None


def instrumented(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` changed so that a Python program in it is instrumented from its start.

    Raises:
        CommandError: OpenTelemetry's auto-instrumentation is not installed.
    """
    changed = dict(environ)
    directory = _site_directory()
    paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    here = [] if os.getcwd() in paths else [os.getcwd()]
    others = [path for path in paths if path != directory]
    changed["PYTHONPATH"] = os.pathsep.join([directory, *here, *others])
    if not _says_where_to(environ):
        changed.update(dict.fromkeys(_EXPORTERS, "none"))
    return changed


def _site_directory() -> str:
    """Where the ``sitecustomize`` lies that instruments whatever Python starts with it."""
    try:
        found = find_spec(_AUTO_INSTRUMENTATION)
    except ModuleNotFoundError:
        found = None
    if found is None or not found.submodule_search_locations or not _has_configurator():
        raise CommandError(
            "OpenTelemetry's auto-instrumentation is not installed\n"
            "hint: pip install opentelemetry-distro"
        )
    return found.submodule_search_locations[0]


def _has_configurator() -> bool:
    return bool(entry_points(group="opentelemetry_configurator"))


def _says_where_to(environ: Mapping[str, str]) -> bool:
    return any(
        name in _SAYS_WHERE_TO or name.startswith("OTEL_EXPORTER_")
        for name, value in environ.items()
        if value
    )


def _say_where_to() -> None:
    settings = read_settings(None)
    sys.stderr.write(
        f"keytrail: uses are recorded in {settings.home}; no OpenTelemetry exporter is configured, "
        "so spans, metrics and logs are sent nowhere\n"
        "hint: set OTEL_EXPORTER_OTLP_ENDPOINT to send them\n"
    )
