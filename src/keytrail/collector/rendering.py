"""keytrail's configuration for one team: what to add to the files that its Collector has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

from keytrail.collector import modes, picking
from keytrail.collector.backends import Backend, backends
from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import Part, merged, together
from keytrail.collector.keeping import STORAGE
from keytrail.collector.modes import SIGNALS, Way
from keytrail.collector.yours import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keytrail.collector.yours import Yours

Mode = Literal["beside", "in-front"]
_SHARED_IN_TEXT: Final = "\nhint: write the list out, or set the variable as the Collector has it"


def standalone(to: Sequence[str] = ("otlp",), more_headers: Sequence[str] = ()) -> Part:
    """Return a whole configuration that delivers to these backends."""
    delivered = backends(to)
    return together(modes.standalone(delivered.exporters, _headers(more_headers)), delivered.part)


def render(
    yours: Yours,
    mode: Mode,
    to: Sequence[str] = ("otlp",),
    more_headers: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Part:
    """Return what the Collector gets as the last file, after those that ``yours`` was read from.

    Raises:
        CollectorError: there is nothing to stand beside or in front of, or something of the team's
            would be dropped.

    """
    delivered = backends(to)
    exporters, headers = delivered.exporters, _headers(more_headers)
    if mode == "beside":
        part = modes.beside(_all_receivers(yours, environ), exporters, headers)
        moved: dict[str, list[str]] = {}
    else:
        ways = [way for signal in SIGNALS for way in _ways(yours, signal, environ)]
        if not any(way.signal == "traces" for way in ways):
            raise CollectorError("no traces pipeline has a receiver: there is nothing to audit")
        part = modes.in_front(ways, exporters, headers)
        moved = _moved(yours, ways)
    part = together(part, delivered.part, _glue(yours, delivered, moved))
    lost = dropped(yours.config, merged(yours.config, part.config), allowed=set(moved))
    if lost:
        raise CollectorError(f"{lost[0]} of the configuration would be dropped")
    return part


def dropped(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    allowed: set[str] = frozenset(),  # type: ignore[assignment]
) -> list[str]:
    """Return the paths of what ``before`` has and ``after`` has no more, or otherwise.

    Not told: the receivers of the pipelines that are ``allowed``, and a longer list of extensions.
    """
    expected = {("service", "pipelines", pipeline, "receivers"): None for pipeline in allowed}
    return [
        "::".join(path)
        for path, value in _leaves(before)
        if path not in expected and not _holds(after, path, value)
    ]


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for name, value in tree.items():
        here = (*path, str(name))
        found += _leaves(value, here) if isinstance(value, dict) and value else [(here, value)]
    return found


def _holds(tree: Any, path: tuple[str, ...], value: Any) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    if path == ("service", "extensions"):
        return not isinstance(value, list) or set(value) <= set(tree)
    return bool(tree == value) or (not value and isinstance(tree, dict))


def _headers(more: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*picking.HEADERS, *(name.lower() for name in more)]))


def _glue(yours: Yours, delivered: Backend, moved: Mapping[str, list[str]]) -> Part:
    """Return what changes of the team's: the list of extensions, and receivers that moved."""
    added = [STORAGE, *delivered.part.config.get("extensions", {})]
    extensions = list(dict.fromkeys([*yours.extensions, *added]))
    pipelines = {pipeline: {"receivers": names} for pipeline, names in moved.items()}
    return Part(
        {"service": {"extensions": extensions, "pipelines": pipelines}},
        dict.fromkeys(pipelines, "Yours, with all that it had: only what feeds it is new."),
    )


def _all_receivers(yours: Yours, environ: Mapping[str, str]) -> Sequence[str] | str:
    """Return every receiver of a traces pipeline once; no connector, whose spans came in before."""
    pipelines = yours.of_signal("traces")
    if len(pipelines) == 1 and isinstance(whole := yours.receivers(pipelines[0]), str):
        return whole
    found = {
        name: None
        for pipeline in pipelines
        for name in _listed(yours, pipeline, environ)
        if name not in yours.connectors
    }
    if not found:
        raise CollectorError("no traces pipeline has a receiver: there is nothing to audit")
    return list(found)


def _ways(yours: Yours, signal: modes.Signal, environ: Mapping[str, str]) -> list[Way]:
    """Return the receivers of a signal, those together that feed the same pipelines."""
    pipelines = yours.of_signal(signal)
    if len(pipelines) == 1 and isinstance(whole := yours.receivers(pipelines[0]), str):
        return [Way(signal, whole, pipelines)]
    feeds: dict[str, list[str]] = {}
    for pipeline in pipelines:
        for name in _listed(yours, pipeline, environ):
            if name not in yours.connectors:
                feeds.setdefault(name, []).append(pipeline)
    together_feed: dict[tuple[str, ...], list[str]] = {}
    for name, fed in feeds.items():
        together_feed.setdefault(tuple(fed), []).append(name)
    return [Way(signal, names, fed) for fed, names in together_feed.items()]


def _moved(yours: Yours, ways: Sequence[Way]) -> dict[str, list[str]]:
    """Return the new receivers of each pipeline: our connector, and the team's connectors."""
    fed = {pipeline: None for way in ways for pipeline in way.pipelines}
    return {
        pipeline: [
            *(name for name in _written(yours, pipeline) if name in yours.connectors),
            modes.to_pipeline(pipeline),
        ]
        for pipeline in fed
    }


def _written(yours: Yours, pipeline: str) -> Sequence[str]:
    found = yours.receivers(pipeline)
    return [] if isinstance(found, str) else found


def _listed(yours: Yours, pipeline: str, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the receivers of one of several pipelines, which must be told apart by name."""
    found = yours.receivers(pipeline)
    if not isinstance(found, str):
        return found
    listed = expanded(found, environ)
    if listed is None:
        raise CollectorError(
            f"service::pipelines::{pipeline}::receivers is {found}, which has no value here, and "
            f"another pipeline may have the same receivers{_SHARED_IN_TEXT}"
        )
    return listed
