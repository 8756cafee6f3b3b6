from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cli.cli_kit import keytrail
from keytrail.cli.checks import (
    activation,
    delivery,
    libraries,
    pepper,
    seams,
    switches,
    variables,
)
from keytrail.cli.checks import (
    home as home_checks,
)
from keytrail.cli.checks.check import Check
from keytrail.cli.checks.storage import fleeting
from keytrail.settings import Settings
from support.cases import PEPPER

_SET_ONE = "set KEYTRAIL_PEPPER, the same in every service: openssl rand -hex 32"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An OTLP endpoint that takes /v1/traces and nothing else, and is waited for."""
    monkeypatch.setattr("keytrail.cli.checks.delivery._TIMEOUT", 60.0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _delivery(**settings: Any) -> Check:
    (check,) = delivery.checks(Settings.from_env({}, **settings), {})
    return check


def _switches(**environ: str) -> list[Check]:
    return list(switches.checks(Settings(), environ))


def test_a_good_environment_passes(home: Path) -> None:
    """The whole command in this environment: exit 0 and every check with its name."""
    home.mkdir(mode=0o700)
    shown = keytrail("doctor", "--format", "json", KEYTRAIL_PEPPER=PEPPER)
    checks = {check["name"]: check for check in json.loads(shown.stdout)["checks"]}
    assert shown.returncode == 0
    assert checks["pepper"] == {
        "name": "pepper",
        "state": "ok",
        "says": "set by KEYTRAIL_PEPPER, id 8805e1a2",
        "hint": None,
    }
    assert {"activation", "configurator", "library flask", "seams", "switches"} <= checks.keys()
    assert {"settings", "home", "space", "storage", "delivery"} <= checks.keys()


def test_a_failure_is_exit_1_with_a_hint(home: Path) -> None:
    """A person reads what, and what next; no key or pepper stands there."""
    shown = keytrail("doctor", COLUMNS="200", KEYTRAIL_PEPPER=PEPPER, OTEL_SDK_DISABLED="true")
    assert shown.returncode == 1
    assert (
        "fail  OTEL_SDK_DISABLED: the OpenTelemetry SDK is off: there are no spans, "
        "so no use is seen"
    ) in [line.rstrip() for line in shown.stdout.decode().splitlines()]
    assert PEPPER.encode() not in shown.stdout + shown.stderr


def test_keytrail_is_found_by_auto_instrumentation() -> None:
    """The entry point and the SDK's configurator are installed."""
    assert [check.state for check in activation.checks(Settings(), {})] == ["ok", "ok"]


def test_installed_libraries_and_their_instrumentation_are_named() -> None:
    """Those of this environment are all instrumented; Starlette comes with FastAPI."""
    checks = {check.name: check for check in libraries.checks(Settings(), {})}
    assert {check.state for check in checks.values()} == {"ok"}
    assert checks.keys() >= {"library fastapi", "library grpcio", "library aiohttp"}
    assert "library starlette" not in checks
    assert re.fullmatch(
        r"[\d.]+, instrumented by opentelemetry-instrumentation-aiohttp-server \S+, "
        r"opentelemetry-instrumentation-aiohttp-client \S+",
        checks["library aiohttp"].says,
    )


def test_a_library_without_instrumentation_comes_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is missing, in the release that fits what is installed."""
    _install(tmp_path, "flask", "3.0.0")
    _install(tmp_path, "opentelemetry-instrumentation", "0.66b1")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert list(libraries.checks(Settings(), {})) == [
        Check(
            "library flask",
            "warn",
            "3.0.0 is not instrumented: its calls are not seen",
            "pip install opentelemetry-instrumentation-flask==0.66b1",
        )
    ]


@pytest.mark.parametrize(
    ("library", "lost", "packages"),
    [
        (
            "aiohttp",
            "its calls are not seen",
            "opentelemetry-instrumentation-aiohttp-server "
            "opentelemetry-instrumentation-aiohttp-client",
        ),
        ("grpcio", "its calls are not seen", "opentelemetry-instrumentation-grpc"),
        ("litestar", "its calls are not seen", "opentelemetry-instrumentation-asgi"),
        (
            "botocore",
            "each of its calls is a use of its own, outside of any trace",
            "opentelemetry-instrumentation-botocore",
        ),
    ],
)
def test_every_library_names_what_it_needs(
    library: str, lost: str, packages: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Some need a package of another name, or two; clients are seen without."""
    _install(tmp_path, library, "9.9")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert list(libraries.checks(Settings(), {})) == [
        Check(
            f"library {library}",
            "warn",
            f"9.9 is not instrumented: {lost}",
            f"pip install {packages}",
        )
    ]


def test_a_library_of_an_unsupported_version_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Auto-instrumentation passes over it without a word; doctor does not."""
    _install(tmp_path, "flask", "0.1")
    requires = 'Requires-Dist: flask >= 1.0; extra == "instruments"\n'
    _install(tmp_path, "opentelemetry-instrumentation-flask", "0.66b1", requires)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    (check,) = (c for c in libraries.checks(Settings(), {}) if c.name == "library flask")
    assert check == Check(
        "library flask",
        "fail",
        "0.1 is not supported by opentelemetry-instrumentation-flask 0.66b1",
        "pip install --upgrade flask opentelemetry-instrumentation-flask",
    )


def _install(where: Path, name: str, version: str, more: str = "") -> None:
    directory = where / f"{name.replace('-', '_')}-{version}.dist-info"
    directory.mkdir()
    (directory / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
    )


def test_every_seam_holds_here() -> None:
    """On the installed versions nothing that keytrail relies on is gone."""
    assert [check.state for check in seams.checks(Settings(), {})] == ["ok"]


def test_a_lost_seam_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private name that is gone is told with what is lost."""
    monkeypatch.delattr("aiohttp.client_reqrep.ClientRequest.send")
    assert list(seams.checks(Settings(), {})) == [
        Check(
            "seam aiohttp.client_reqrep",
            "fail",
            f"outgoing calls of aiohttp are not seen with aiohttp {version('aiohttp')} "
            "(AttributeError)",
            "install versions that this keytrail supports",
        )
    ]


def test_variables_that_cannot_be_used_fail() -> None:
    """Each by its name, with the hint and without the value."""
    environ = {"KEYTRAIL_COLOUR": "blue", "KEYTRAIL_JWT": "some", "KEYTRAIL_PEPPER": "short"}
    assert list(variables.checks(Settings(), environ)) == [
        Check("settings", "fail", "KEYTRAIL_COLOUR is not a setting", "see docs/settings.md"),
        Check(
            "settings",
            "fail",
            "KEYTRAIL_JWT: expected one of keys, identity, all",
            "see docs/settings.md",
        ),
        Check(
            "settings",
            "fail",
            "KEYTRAIL_PEPPER: a pepper needs at least 32 characters",
            "openssl rand -hex 32",
        ),
    ]


@pytest.mark.parametrize(
    ("environ", "state", "says"),
    [
        (
            {"OTEL_SDK_DISABLED": "True"},
            "fail",
            "the OpenTelemetry SDK is off: there are no spans, so no use is seen",
        ),
        (
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
            "fail",
            "every instrumentation is off: no use is seen",
        ),
        (
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis, flask,httpx"},
            "warn",
            "calls through flask, httpx are not seen",
        ),
        (
            {"OTEL_PYTHON_FLASK_EXCLUDED_URLS": "health"},
            "warn",
            "requests to these URLs have no span, so their keys are not seen",
        ),
        (
            {"OTEL_PYTHON_EXCLUDED_URLS": "health"},
            "warn",
            "requests to these URLs have no span, so their keys are not seen",
        ),
        (
            {"OTEL_PYTHON_TRACER_PROVIDER": "default_tracer_provider"},
            "fail",
            "default_tracer_provider is no TracerProvider of the OpenTelemetry SDK: "
            "no incoming key is seen",
        ),
        (
            {"OTEL_CONFIG_FILE": "otel.yaml"},
            "fail",
            "the file cannot be read without opentelemetry-configuration: nothing is instrumented",
        ),
        (
            {"OTEL_PROPAGATORS": "tracecontext,pigeon"},
            "fail",
            "pigeon is not installed: OpenTelemetry does not start",
        ),
    ],
)
def test_what_switches_the_audit_off_is_told(
    environ: Mapping[str, str], state: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable's name."""
    monkeypatch.setattr(switches, "find_spec", lambda _: None)  # opentelemetry-configuration
    (check,) = _switches(**environ)
    assert (check.name, check.state, check.says) == (next(iter(environ)), state, says)
    assert check.hint


def test_what_changes_nothing_is_not_told() -> None:
    """Samplers, exporters and instrumentations of other libraries leave the audit whole."""
    assert _switches(
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_TRACES_EXPORTER="none",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="redis",
        OTEL_PROPAGATORS="tracecontext,baggage,none",
        OTEL_SDK_DISABLED="false",
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
    ) == [Check("switches", "ok", "no OTEL_* variable switches the audit off")]


def test_no_pepper_is_told_and_none_is_made(home: Path) -> None:
    """Looking changes nothing."""
    assert list(pepper.checks(Settings(home=home), {})) == [
        Check(
            "pepper", "warn", f"none is set: the first service makes one in {home}/pepper", _SET_ONE
        )
    ]
    assert not home.exists()


def test_a_pepper_file_that_others_read_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the pepper can test guesses of weak keys."""
    monkeypatch.setattr(pepper, "fleeting", lambda _: None)  # wherever the tests' files lie
    file = tmp_path / "pepper"
    file.write_text(PEPPER)
    file.chmod(0o644)
    assert list(pepper.checks(Settings(pepper_file=file), {})) == [
        Check("pepper", "fail", f"{file} may be read by other users", f"chmod 600 {file}")
    ]
    file.chmod(0o600)
    assert list(pepper.checks(Settings(pepper_file=file), {})) == [
        Check("pepper", "ok", f"file in {file}, id 8805e1a2")
    ]


def test_a_pepper_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    """The service would run under another pepper."""
    file = tmp_path / "none"
    settings = Settings(pepper_file=file, home=tmp_path)
    assert list(pepper.checks(settings, {})) == [
        Check("pepper", "fail", f"it cannot be read: {file}: No such file or directory", _SET_ONE)
    ]


def test_a_home_that_cannot_be_written_fails(tmp_path: Path) -> None:
    """Uses would be dropped."""
    (tmp_path / "file").write_text("")
    check = next(iter(home_checks.checks(Settings(home=tmp_path / "file" / "home"), {})))
    assert check == Check(
        "home",
        "fail",
        f"{tmp_path}/file cannot be written by this user: uses are dropped",
        "make it writable, or set KEYTRAIL_HOME",
    )


def test_a_home_that_others_read_is_told(tmp_path: Path) -> None:
    """The record holds client addresses."""
    tmp_path.chmod(0o755)
    check = next(iter(home_checks.checks(Settings(home=tmp_path), {})))
    assert check == Check(
        "home", "warn", f"{tmp_path} may be read by other users", f"chmod 700 {tmp_path}"
    )


def test_storage_that_does_not_last_is_told(tmp_path: Path) -> None:
    """The mount that holds the path decides, escapes in its name included."""
    (tmp_path / "a b" / "volume").mkdir(parents=True)
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "overlay / overlay rw 0 0\n"
        f"tmpfs {tmp_path}/a\\040b tmpfs rw 0 0\n"
        f"/dev/sda1 {tmp_path}/a\\040b/volume ext4 rw 0 0\n"
    )
    assert fleeting(Path("/etc"), mounts) == "in the container itself, and dies with it"
    assert fleeting(tmp_path / "a b" / "x" / "y", mounts) == (
        "in memory, and is gone after a restart"
    )
    assert fleeting(tmp_path / "a b" / "volume" / "x", mounts) is None
    assert fleeting(Path("/etc"), tmp_path / "none") is None


def test_an_endpoint_that_answers_passes(endpoint: str) -> None:
    """A real export of nothing is taken."""
    host = endpoint.removeprefix("http://")
    assert _delivery(otlp_endpoint=endpoint) == Check(
        "delivery", "ok", f"{host} takes OTLP over http/protobuf"
    )


def test_an_endpoint_that_refuses_fails(endpoint: str) -> None:
    """Something answers, but not to OTLP at this path."""
    host = endpoint.removeprefix("http://")
    assert _delivery(otlp_endpoint=f"{endpoint}/wrong") == Check(
        "delivery",
        "fail",
        f"{host} answers but does not take OTLP over http/protobuf: HTTP 404",
        "check KEYTRAIL_OTLP_ENDPOINT, KEYTRAIL_OTLP_PROTOCOL and KEYTRAIL_OTLP_HEADERS",
    )


def test_an_endpoint_that_is_not_there_fails() -> None:
    """Nobody listens."""
    assert _delivery(otlp_endpoint="http://127.0.0.1:1") == Check(
        "delivery",
        "fail",
        "127.0.0.1:1 cannot be reached: Connection refused; uses wait in the journal",
        "start the collector, or correct KEYTRAIL_OTLP_ENDPOINT",
    )


def test_no_endpoint_is_no_failure() -> None:
    """Full delivery is asked for, never assumed."""
    assert _delivery() == Check(
        "delivery",
        "ok",
        "not configured: the complete record stays in the journal; "
        "KEYTRAIL_OTLP_ENDPOINT delivers it",
    )
