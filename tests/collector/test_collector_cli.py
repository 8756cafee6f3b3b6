"""``keytrail collector`` as people and scripts use it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from support.otelcol import COLLECTOR, binary
from support.services import SCRIPTS, clean_environ

SHIPPED = Path(__file__).parents[2] / "collector-config"
YOURS = """
receivers: {otlp: {protocols: {http: {}}}}
exporters: {otlp_http: {endpoint: "http://127.0.0.1:9"}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / "keytrail"), *arguments],
        capture_output=True,
        text=True,
        env=clean_environ(),
        cwd=cwd,
        check=False,
    )


def yours(tmp_path: Path) -> str:
    (tmp_path / "yours.yaml").write_text(YOURS)
    return "yours.yaml"


def test_show_prints_what_is_shipped(tmp_path: Path) -> None:
    """Show lists the files, and prints one as it is."""
    listed = run("collector", "show", cwd=tmp_path)
    assert set(listed.stdout.split()) >= {"standalone", "beside", "in-front", "builder", "alerts"}
    shown = run("collector", "show", "backends/jaeger", cwd=tmp_path)
    assert shown.stdout == (SHIPPED / "backends" / "jaeger.yaml").read_text()
    wrong = run("collector", "show", "nothing", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "keytrail: nothing: no such file\nhint: keytrail collector show\n"


def test_render_prints_configuration_on_stdout(tmp_path: Path) -> None:
    """What render prints is YAML with the team's receivers and pipeline in it."""
    done = run(
        *("collector", "render", "--base", yours(tmp_path)),
        *("--mode", "in-front", "--backend", "jaeger", "--header", "X-Shop-Key"),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    config = yaml.safe_load(done.stdout)
    pipelines = config["service"]["pipelines"]
    assert pipelines["traces"] == {"receivers": ["forward/keytrail_to_traces"]}
    assert pipelines["traces/keytrail_in"]["receivers"] == ["otlp"]
    assert pipelines["traces/keytrail_audit"]["exporters"][0] == "otlp_http/keytrail_jaeger"
    assert config["service"]["extensions"] == ["file_storage/keytrail"]
    assert "http.request.header.x-shop-key" in done.stdout


def test_render_keeps_what_is_only_audit_apart(tmp_path: Path) -> None:
    """Beside, a filter or a receiver keeps it out of a team's pipelines; in front always does."""
    options = ("collector", "render", "--base", yours(tmp_path), "--mode")
    filtered = yaml.safe_load(run(*options, "beside", "--apart", "filter", cwd=tmp_path).stdout)
    assert filtered["service"]["pipelines"]["traces"] == {
        "processors": ["filter/keytrail_only_audit"]
    }
    own = yaml.safe_load(run(*options, "beside", "--apart", "receiver", cwd=tmp_path).stdout)
    assert "traces" not in own["service"]["pipelines"]
    assert own["service"]["pipelines"]["traces/keytrail_own"]["receivers"] == ["otlp/keytrail"]
    refused = run(*options, "in-front", "--apart", "filter", cwd=tmp_path)
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        2,
        "",
        "keytrail: --apart is for --mode beside\nhint: in front keeps it apart anyway\n",
    )


def test_render_lets_the_names_of_an_inventory_be_series(tmp_path: Path) -> None:
    """The names of an inventory stand in what is rendered; a file that is none is refused."""
    fingerprint = "5" * 64
    (tmp_path / "keys.toml").write_text(
        f'[[keys]]\nfingerprint = "{fingerprint}"\nname = "corvo-coffee"\n'
    )
    options = ("collector", "render", "--base", yours(tmp_path), "--inventory")
    done = run(*options, "keys.toml", cwd=tmp_path)
    assert "${env:KEYTRAIL_KEY_NAMES:-corvo-coffee}" in done.stdout
    refused = run(*options, "nothing.toml", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "keytrail: nothing.toml: No such file or directory\n"


def test_render_fits_the_collector_that_there_is(tmp_path: Path) -> None:
    """With a component list render takes its names, and refuses to leave out what is missing."""
    listed = {
        "buildinfo": {"version": "0.130.0"},
        "extensions": [{"name": "file_storage"}],
        "exporters": [{"name": "otlphttp"}, {"name": "file"}, {"name": "prometheus"}],
    }
    (tmp_path / "components.yaml").write_text(yaml.safe_dump(listed))
    options = ("collector", "render", "--base", yours(tmp_path), "--components", "components.yaml")
    refused = run(*options, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        "keytrail: this Collector lacks connectors: count, connectors: "
    )
    assert "hint: build one with `keytrail collector show builder`" in refused.stderr
    older = run("collector", "render", "--base", "yours.yaml", "--older-names", cwd=tmp_path)
    assert "otlphttp/keytrail_audit" in yaml.safe_load(older.stdout)["exporters"]


def test_a_wrong_backend_is_named(tmp_path: Path) -> None:
    """A backend that there is no fragment for is refused with those that there are."""
    done = run(
        *("collector", "render", "--base", yours(tmp_path), "--backend", "dropbox"), cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "keytrail: dropbox: no such backend\nhint: one of clickhouse, elasticsearch, jaeger, kafka,"
    )


def test_validate_asks_the_collector(tmp_path: Path) -> None:
    """Validate exits 0 for what the Collector takes, and says what it does not take."""
    otelcol = str(binary(COLLECTOR, "make collector"))
    good = run(
        *("collector", "validate", str(SHIPPED / "standalone.yaml"), "--collector", otelcol),
        cwd=tmp_path,
    )
    assert (good.returncode, good.stderr) == (0, "keytrail: the Collector takes it\n")
    (tmp_path / "bad.yaml").write_text("exporters: {nothing: {}}\n")
    bad = run(
        "collector", "validate", yours(tmp_path), "bad.yaml", "--collector", otelcol, cwd=tmp_path
    )
    assert bad.returncode == 1
    assert 'unknown type: "nothing"' in bad.stderr


def test_doctor_names_missing_components(tmp_path: Path) -> None:
    """Doctor says of a Collector which components it lacks, and of ours that it has them all."""
    listed = {"buildinfo": {"version": "0.130.0"}, "processors": [{"name": "transform"}]}
    (tmp_path / "components.yaml").write_text(yaml.safe_dump(listed))
    options = ("doctor", "--format", "json", "--home", str(tmp_path / "home"), "--collector")
    lacking = checks(run(*options, "components.yaml", cwd=tmp_path).stdout)
    assert {
        "components.yaml lacks processors: redaction",
        "components.yaml lacks connectors: routing",
    } <= lacking
    assert "components.yaml lacks processors: transform" not in lacking
    otelcol = str(binary(COLLECTOR, "make collector"))
    whole = checks(run(*options, otelcol, cwd=tmp_path).stdout)
    assert whole == {f"{otelcol}, version 0.158.0, has every component"}


def checks(printed: str) -> set[str]:
    return {one["says"] for one in json.loads(printed)["checks"] if one["name"] == "collector"}


def test_replay_says_what_is_wrong(tmp_path: Path) -> None:
    """Replay names a directory without a journal, a time that is none, a header without a value."""
    cases = {
        (): (
            1,
            f"keytrail: {tmp_path}: no audit*.jsonl here\n"
            "hint: the journal is in $KEYTRAIL_DIR/journal\n",
        ),
        ("--since", "soon"): (
            2,
            "keytrail: soon: no time\nhint: 2026-01-31T12:00:00Z, 2h, 7d, today\n",
        ),
        ("--header", "Authorization"): (
            2,
            "keytrail: --header Authorization: no value\nhint: --header 'Authorization=$TOKEN'\n",
        ),
    }
    for options, (code, message) in cases.items():
        done = run(
            *("collector", "replay", str(tmp_path), "--endpoint", "http://127.0.0.1:9", *options),
            cwd=tmp_path,
        )
        assert (done.returncode, done.stderr, done.stdout) == (code, message, "")
