"""keytrail's configuration for one team: what to add to the files that its Collector has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

from keytrail.collector import keeping, modes, picking
from keytrail.collector.backends import Backend, backends
from keytrail.collector.errors import CollectorError
from keytrail.collector.fragment import Part, merged, together
from keytrail.collector.keeping import STORAGE
from keytrail.collector.modes import SIGNALS, Way
from keytrail.collector.yours import expanded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from keytrail.collector.yours import Listed, Yours

Mode = Literal["beside", "in-front"]
Apart = Literal["filter", "receiver"]
"""How what is only audit is kept out of pipelines beside which the audit stands."""
_LIST_IN_TEXT: Final = "\nhint: write the list out, or set the variable as the Collector has it"


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
    apart: Apart | None = None,
) -> Part:
    """Return what the Collector gets as the last file, after those that ``yours`` was read from.

    ``apart`` is for the mode beside: *filter* puts one before the processors of the team's entry
    pipelines, *receiver* adds one that services under keytrail deliver their audit spans to.

    Raises:
        CollectorError: there is nothing to stand beside or in front of, or something of the team's
            would be dropped.

    """
    delivered = backends(to)
    exporters, headers = delivered.exporters, _headers(more_headers)
    moved: dict[str, list[str]] = {}
    filtered: dict[str, list[str]] = {}
    if mode == "beside":
        own = apart == "receiver"
        receivers = _all_receivers(yours, environ)
        part = modes.beside(receivers, exporters, headers, own_receiver=own)
        filtered = _filtered(yours, environ) if apart == "filter" else {}
    else:
        ways = [way for signal in SIGNALS for way in _ways(yours, signal, environ)]
        if not any(way.signal == "traces" for way in ways):
            raise CollectorError("no traces pipeline has a receiver: there is nothing to audit")
        part = modes.in_front(ways, exporters, headers)
        moved = _moved(yours, ways)
    part = together(part, delivered.part, _glue(yours, delivered, moved), _filters(filtered))
    lost = dropped(
        yours.config, merged(yours.config, part.config), allowed=set(moved), longer=set(filtered)
    )
    if lost:
        raise CollectorError(f"{lost[0]} of the configuration would be dropped")
    return part


def dropped(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    allowed: Collection[str] = (),
    longer: Collection[str] = (),
) -> list[str]:
    """Return the paths of what ``before`` has and ``after`` has no more, or otherwise.

    Not told: the receivers of the pipelines that are ``allowed``, our filter before the processors
    of those that are ``longer``, and a longer list of extensions.
    """
    expected = {("service", "pipelines", pipeline, "receivers") for pipeline in allowed}
    expected |= {("service", "pipelines", pipeline, "processors") for pipeline in longer}
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


def _filtered(yours: Yours, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the new processors of the traces pipelines that receivers feed."""
    return {
        pipeline: [keeping.ONLY_AUDIT, *_listed(yours, pipeline, environ, "processors")]
        for pipeline in yours.of_signal("traces")
        if set(_listed(yours, pipeline, environ)) - yours.connectors
    }


def _filters(filtered: Mapping[str, list[str]]) -> Part:
    """Return the filter that stands before the processors of these pipelines, and their lists."""
    if not filtered:
        return Part({})
    pipelines = {pipeline: {"processors": names} for pipeline, names in filtered.items()}
    note = "Yours, with a filter before all that it had."
    lists = Part({"service": {"pipelines": pipelines}}, dict.fromkeys(pipelines, note))
    return together(keeping.only_audit_filter(), lists)


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
    if len(pipelines) == 1 and isinstance(whole := yours.listed(pipelines[0], "receivers"), str):
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
    if len(pipelines) == 1 and isinstance(whole := yours.listed(pipelines[0], "receivers"), str):
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
    found = yours.listed(pipeline, "receivers")
    return [] if isinstance(found, str) else found


def _listed(
    yours: Yours, pipeline: str, environ: Mapping[str, str], what: Listed = "receivers"
) -> Sequence[str]:
    """Return the receivers or processors of a pipeline, where their names must be known."""
    found = yours.listed(pipeline, what)
    if not isinstance(found, str):
        return found
    listed = expanded(found, environ)
    if listed is None:
        raise CollectorError(
            f"service::pipelines::{pipeline}::{what} is {found}, which has no value here"
            f"{_LIST_IN_TEXT}"
        )
    return listed
