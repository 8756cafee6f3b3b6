from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.cli_kit import KEYTRAIL, environment, keytrail
from keytrail.cli.running import instrumented

_SHOW = (
    "import json, os, sys; "
    "print(json.dumps([sys.argv, dict(os.environ), 'keytrail.activate' in sys.modules]))"
)
_EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


def _run(*arguments: str, **variables: str) -> tuple[list[str], dict[str, str], bool, str]:
    shown = keytrail("run", "--", sys.executable, "-c", _SHOW, *arguments, **variables)
    assert shown.returncode == 0
    argv, environ, active = json.loads(shown.stdout.splitlines()[-1])
    return argv, environ, active, shown.stderr.decode()


def test_a_program_runs_under_instrumentation_with_keytrail(home: Path) -> None:
    """With no backend configured nothing is exported, and that is said."""
    argv, environ, active, talk = _run("--help", "--", "x y")
    assert argv == ["-c", "--help", "--", "x y"]
    assert active
    assert [environ[name] for name in _EXPORTERS] == ["none"] * 3
    assert talk.startswith(
        f"keytrail: uses are recorded in {home}; no OpenTelemetry exporter is configured, "
        "so spans, metrics and logs are sent nowhere\n"
        "hint: set OTEL_EXPORTER_OTLP_ENDPOINT to send them\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_CONFIG_FILE", "/etc/otel.yaml"),
        ("OTEL_PYTHON_DISTRO", "mine"),
    ],
)
def test_what_the_user_configured_stays(name: str, value: str) -> None:
    """Whoever says where telemetry goes is not overruled."""
    environ = instrumented({name: value, "PATH": "/bin"})
    assert {n: v for n, v in environ.items() if n != "PYTHONPATH"} == {name: value, "PATH": "/bin"}


def test_python_starts_with_the_instrumentation_first() -> None:
    """The user's PYTHONPATH is kept behind it, without doubles."""
    once = instrumented({"PYTHONPATH": "/mine"})["PYTHONPATH"].split(os.pathsep)
    assert Path(once[0], "sitecustomize.py").is_file()
    assert once[1:] == [os.getcwd(), "/mine"]
    again = instrumented({"PYTHONPATH": os.pathsep.join(once)})["PYTHONPATH"]
    assert again.split(os.pathsep) == once


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_program_s(code: int) -> None:
    """Nothing stands between the program and its caller."""
    assert keytrail("run", "--", "sh", "-c", f"exit {code}").returncode == code


def test_options_after_the_program_are_the_program_s() -> None:
    """The two dashes may be left out."""
    assert keytrail("run", "echo", "--help", "-h").stdout == b"--help -h\n"


def test_the_program_gets_the_usual_signals() -> None:
    """What Python ignores for itself, SIGPIPE, the program does not inherit as ignored."""
    mask = keytrail("run", "--", "sh", "-c", "grep SigIgn /proc/self/status").stdout.split()[1]
    assert int(mask, 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_signals_reach_the_program() -> None:
    """The program takes keytrail's place, process id and all."""
    process = subprocess.Popen(
        [KEYTRAIL, "run", "--", "sh", "-c", "echo $$; exec sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    process.stdout.close()


def test_a_program_that_does_not_exist_is_127() -> None:
    """As a shell has it, with a hint."""
    shown = keytrail("run", "--", "no-such-program")
    assert (shown.returncode, shown.stdout) == (127, b"")
    assert shown.stderr.decode() == (
        "keytrail: no-such-program: no such program\nhint: keytrail run -- python app.py\n"
    )


def test_a_program_that_cannot_be_started_is_126(tmp_path: Path) -> None:
    """What is executable and no program is told."""
    program = tmp_path / "broken"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    shown = keytrail("run", "--", str(program), OTEL_TRACES_EXPORTER="none")
    assert shown.returncode == 126
    assert shown.stderr.decode() == f"keytrail: {program}: Exec format error\n"


def test_no_program_is_a_usage_error() -> None:
    """Exit 2."""
    assert keytrail("run").returncode == 2
