"""keytrail's configuration merges into what different teams have, and drops nothing of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.teams import (
    ANCHORED,
    BUILT,
    FROM_ENVIRONMENT,
    PLAIN,
    SEVERAL,
    TEAMS,
    USUAL,
    rendered,
    settings,
)
from keytrail.collector import components, program, rendering, shipped, yours
from keytrail.collector.errors import CollectorError
from support.otelcol import COLLECTOR, binary
from support.services import clean_environ

SHIPPED = Path(__file__).parents[2] / "collector-config"
MODES: tuple[rendering.Mode, ...] = ("beside", "in-front")


def without(config: Mapping[str, Any], allowed: set[str]) -> dict[str, Any]:
    """Return the merged configuration of a team without what in front may change."""
    copy = deepcopy(dict(config))
    for name in allowed:
        copy["service"]["pipelines"][name].pop("receivers", None)
    return copy


@pytest.mark.parametrize("mode", ["beside", "in-front"])
@pytest.mark.parametrize("team", TEAMS)
def test_nothing_of_a_teams_is_dropped(team: str, mode: Any, tmp_path: Path) -> None:
    """print-config shows all of a team's after the merge, but receivers of what is behind us.

    That the Collector runs with the same files is shown in test_collector_teams.
    """
    otelcol = binary(COLLECTOR, "make collector")
    environ = clean_environ(**settings(tmp_path))
    files = rendered(tmp_path, TEAMS[team], mode, *BUILT)
    before = program.print_config(otelcol, files[:1], environ)
    after = program.print_config(otelcol, files, environ)
    behind = {
        name
        for name, pipeline in after["service"]["pipelines"].items()  # type: ignore[index]
        if any("forward/keytrail_to" in one for one in pipeline["receivers"])
    }
    assert bool(behind) == (mode == "in-front")
    assert rendering.dropped(without(before, behind), after) == []
    assert all("keytrail" in name for name in added(before, after))


def added(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Return the names of components and pipelines that came to a configuration."""
    sections = ("extensions", "receivers", "processors", "connectors", "exporters")
    names = {
        name
        for section in sections
        for name in set(after.get(section) or {}) - set(before.get(section) or {})
    }
    return names | set(after["service"]["pipelines"]) - set(before["service"]["pipelines"])


@pytest.mark.parametrize("backend", BUILT)
def test_every_backend_that_can_be_built_is_taken(backend: str, tmp_path: Path) -> None:
    """The Collector takes the fragment of a backend behind a team's configuration."""
    otelcol = binary(COLLECTOR, "make collector")
    files = rendered(tmp_path, USUAL, "in-front", backend)
    assert program.validate(otelcol, files, clean_environ(**settings(tmp_path))) == []


@pytest.mark.parametrize("name", ["beside", "in-front", "in-front-all"])
@pytest.mark.parametrize("folder", [".", "older"])
def test_shipped_fragments_are_taken_by_hand(name: str, folder: str, tmp_path: Path) -> None:
    """A fragment is taken as it is shipped, with the extensions in the environment."""
    otelcol = binary(COLLECTOR, "make collector")
    base = tmp_path / "yours.yaml"
    base.write_text(USUAL)
    environ = clean_environ(
        **settings(tmp_path), KEYTRAIL_EXTENSIONS="[health_check, file_storage/keytrail]"
    )
    assert program.validate(otelcol, [base, SHIPPED / folder / f"{name}.yaml"], environ) == []


def test_shipped_fragments_are_what_the_package_makes() -> None:
    """The files of collector-config are the ones that the package would write."""
    made = shipped.texts()
    assert {name: (SHIPPED / name).read_text() for name in made} == made


def test_older_collectors_get_older_names(tmp_path: Path) -> None:
    """Names follow the component list of the team's Collector, and what it lacks is named."""
    base = tmp_path / "yours.yaml"
    base.write_text(PLAIN)
    part = rendering.render(yours.read([base], {}), "in-front", environ={})
    listed = listing(part.config, older=True)
    older = components.named_for(part, components.read(yaml.safe_dump(listed)))
    assert [name for name in older.config["exporters"] if name.startswith("otlphttp/")]
    assert "spanmetrics/keytrail" in older.config["connectors"]
    assert (
        "spanmetrics/keytrail"
        in older.config["service"]["pipelines"]["metrics/keytrail"]["receivers"]
    )
    listed["processors"] = []
    lacking = components.missing(part, components.read(yaml.safe_dump(listed)))
    assert lacking == [
        "processors: attributes",
        "processors: batch",
        "processors: delta_to_cumulative",
        "processors: filter",
        "processors: memory_limiter",
        "processors: redaction",
        "processors: transform",
    ]


def listing(config: Mapping[str, Any], *, older: bool) -> dict[str, Any]:
    """Return what a Collector that has just what is needed says of its components."""
    sections = ("extensions", "receivers", "processors", "connectors", "exporters")
    listed: dict[str, Any] = {"buildinfo": {"version": "0.140.0"}}
    for section in sections:
        kinds = {name.partition("/")[0] for name in config.get(section, {})}
        if older:
            kinds = {components.OLDER_NAMES.get((section, kind), kind) for kind in kinds}
        listed[section] = [{"name": kind} for kind in sorted(kinds)]
    return listed


REFUSED = {
    "no pipelines": ("receivers: {}\n", "service.pipelines is not written out here"),
    "no YAML": ("a: [", "line 1: this is no YAML"),
    "a list": ("- a\n", "this is no Collector configuration"),
    "ours already": (
        PLAIN + "processors: {filter/keytrail_audit: {}}\n",
        "filter/keytrail_audit is there already, and would be replaced",
    ),
    "extensions of a variable without a value": (
        PLAIN.replace("service:\n", "service:\n  extensions: ${env:NOT_SET_HERE}\n"),
        "service.extensions is ${env:NOT_SET_HERE}, which has no value here",
    ),
    "receivers of a variable in two pipelines": (
        SEVERAL.replace("receivers: [otlp]", 'receivers: "${env:NOT_SET_HERE}"'),
        "traces/public::receivers is ${env:NOT_SET_HERE}, which has no value here",
    ),
    "nothing to audit": (
        PLAIN.replace("traces:", "logs:"),
        "no traces pipeline has a receiver: there is nothing to audit",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_dropped_is_refused(case: str, tmp_path: Path) -> None:
    """Rendering refuses, and says where and why, before something of a team's is dropped."""
    content, message = REFUSED[case]
    base = tmp_path / "yours.yaml"
    base.write_text(content)
    with pytest.raises(CollectorError) as refused:
        rendering.render(yours.read([base], {}), "in-front", environ={})
    assert message in str(refused.value)


def test_a_list_from_the_environment_is_read_and_told(tmp_path: Path) -> None:
    """A list of extensions that the environment has is read now, extended, and that is said."""
    base = tmp_path / "yours.yaml"
    base.write_text(FROM_ENVIRONMENT)
    read = yours.read([base], {"EXTENSIONS": "[health_check, pprof]"})
    part = rendering.render(read, "beside", environ={})
    assert part.config["service"]["extensions"] == [
        "health_check",
        "pprof",
        "file_storage/keytrail",
    ]
    assert part.config["service"]["pipelines"]["traces/keytrail_in"]["receivers"] == (
        "${env:RECEIVERS:-[otlp]}"
    )
    assert len(read.notes) == 1
    assert "Render again when it changes" in read.notes[0]


def test_a_filter_goes_before_processors_from_the_environment(tmp_path: Path) -> None:
    """The filter stands first in a list that the environment has; without a value it is refused."""
    base = tmp_path / "yours.yaml"
    base.write_text(FROM_ENVIRONMENT)
    read = yours.read([base], {})
    part = rendering.render(read, "beside", environ={"PROCESSORS": "[a, b]"}, apart="filter")
    assert part.config["service"]["pipelines"]["traces"] == {
        "processors": ["filter/keytrail_only_audit", "a", "b"]
    }
    base.write_text(FROM_ENVIRONMENT.replace("${env:PROCESSORS:-[batch]}", "${env:PROCESSORS}"))
    with pytest.raises(CollectorError) as refused:
        rendering.render(yours.read([base], {}), "beside", environ={}, apart="filter")
    assert "traces::processors is ${env:PROCESSORS}, which has no value here" in str(refused.value)


def test_texts_of_a_team_stay_what_they_are(tmp_path: Path) -> None:
    """Words that YAML 1.1 would turn into other types, and merge keys, are read as they are."""
    base = tmp_path / "yours.yaml"
    base.write_text(ANCHORED)
    read = yours.read([base], {})
    assert read.config["exporters"]["otlp_http"] == {
        "retry_on_failure": {"enabled": "yes", "max_interval": "5s"},
        "endpoint": "${env:SINK}",
    }


def test_the_storage_that_no_list_has_is_told(tmp_path: Path) -> None:
    """Validate says that an extension is missing from the list, which the Collector does not."""
    otelcol = binary(COLLECTOR, "make collector")
    environ = clean_environ(**settings(tmp_path), KEYTRAIL_EXTENSIONS="[]")
    wrong = program.validate(otelcol, [SHIPPED / "standalone.yaml"], environ)
    assert wrong == [
        "service::extensions does not list file_storage/keytrail: the Collector would not start"
    ]


def test_random_configurations_lose_nothing() -> None:
    """Whatever pipelines a team has, the merge drops nothing but receivers that moved."""
    dice = random.Random(5)
    for _ in range(200):
        config = random_team(dice)
        read = yours.Yours(config, config["service"]["pipelines"], config["service"]["extensions"])
        for mode in MODES:
            rendering.render(read, mode, environ={})


def random_team(dice: random.Random) -> dict[str, Any]:
    receivers = [f"otlp/{number}" for number in range(3)]
    names = ["traces", "traces/a", "traces/b/c", "logs", "metrics/x"]
    pipelines = {
        name: {"receivers": dice.sample(receivers, dice.randint(1, 3)), "exporters": ["debug"]}
        for name in ["traces", *dice.sample(names[1:], dice.randint(0, 4))]
    }
    return {
        "receivers": dict.fromkeys(receivers),
        "exporters": {"debug": ""},
        "service": {"extensions": ["health_check"], "pipelines": pipelines},
    }
