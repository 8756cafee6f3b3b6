"""A source that can only search: what it finds is asked as if it were a journal on this machine."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TextIO

from keytrail.sources.local import LocalSource
from keytrail.sources.source import HOUR, USE_COLUMNS, Completeness, Filter, Found
from keytrail.sources.spans import use_of
from keytrail.sources.worth import least, several_peppers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager

    from keytrail.sources.limits import Limits
    from keytrail.sources.source import Grouping, Identity
    from keytrail.sources.spans import AuditSpan

_DIGITS: Final = 64
_MOST_TRACES: Final = 500
"""Traces that are read one by one; of more, everything of their time is searched instead."""


@dataclass(slots=True)
class Search:
    """What a backend is asked to find, and what it has to say of what it found."""

    wanted: Filter
    """Times, keys, clients and traces; nothing else is asked for."""
    limits: Limits
    begins: int | None = None
    """Unix nanoseconds from which on the backend was searched."""
    ends: int = 0
    truncated: list[str] = field(default_factory=list)
    """Why more uses may match."""
    bounded: list[str] = field(default_factory=list)
    """Why uses may be gone, or elsewhere."""


class Backend(Protocol):
    """A tracing backend that finds spans."""

    def close(self) -> None:
        """Let the connections go."""

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the spans that may match: more than do, perhaps some twice, never fewer.

        A key is looked for as the fingerprint under the pepper before, too.

        Raises:
            keytrail.sources.CannotAnswer: the backend does not answer, or not as it should.
        """


def _earlier(since: int | None) -> int | None:
    """A call that was made since then may belong to one that began before."""
    return None if since is None else since - HOUR


class _Swept(NamedTuple):
    source: LocalSource
    completeness: Completeness


class SweptSource:
    """Answers from a backend, as :class:`keytrail.sources.Source` says.

    What was found stays in a temporary directory until the source is closed, so that the next
    question about the same uses need not search again.
    """

    def __init__(self, backend: Backend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits
        self._swept: dict[Filter, _Swept] = {}
        self._files = ExitStack()

    def close(self) -> None:
        """Remove what was found."""
        self._backend.close()
        self._files.close()
        self._swept.clear()

    def reading(self) -> AbstractContextManager[SweptSource]:
        """What was found stays as it is anyway."""
        return nullcontext(self)

    def uses(self, wanted: Filter, limit: int | None) -> Found:
        """Return the newest ``limit`` uses, newest first."""
        swept = self._sweep(wanted)
        return _judged(swept.source.uses(wanted, limit), swept)

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses."""
        swept = self._sweep(wanted)
        return _judged(swept.source.groups(wanted, grouping), swept)

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host."""
        around = self._sweep(wanted if behalf is None else replace(wanted, keys=behalf))
        trace = USE_COLUMNS.index("trace_id")
        traces = {str(use[trace]) for use in around.source.uses(Filter(), None).rows}
        swept = self._sweep(
            Filter(traces=tuple(sorted(traces)))
            if len(traces) <= _MOST_TRACES
            else Filter(_earlier(wanted.since), wanted.until)
        )
        return _judged(swept.source.flows(wanted, behalf), swept, around)

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by it."""
        whole = Filter(keys=(start.lower(),)) if len(start) == _DIGITS else Filter()
        return self._sweep(whole).source.identities(start)

    def _sweep(self, wanted: Filter) -> _Swept:
        """Search once for what a filter has that a backend can look for."""
        searched = Filter(
            since=wanted.since,
            until=wanted.until,
            keys=wanted.keys,
            clients=wanted.clients,
            traces=wanted.traces,
        )
        if searched not in self._swept:
            self._swept[searched] = self._search(Search(searched, self._limits))
        return self._swept[searched]

    def _search(self, search: Search) -> _Swept:
        home = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="keytrail-")))
        segment = home / "live" / "found" / "found.ndjson"
        segment.parent.mkdir(parents=True)
        with segment.open("w") as lines, closing(self._backend.find(search)) as spans:
            seen = _write(spans, lines, search)
        return _Swept(LocalSource(home), _completeness(search, seen))


@dataclass(slots=True)
class _Seen:
    uses: int = 0
    faulty: int = 0
    peppers: set[str] = field(default_factory=set)


def _write(spans: Iterable[AuditSpan], lines: TextIO, search: Search) -> _Seen:
    seen = _Seen()
    for span in spans:
        if not span.is_one:
            continue
        use = use_of(span)
        lines.write(json.dumps(use) + "\n")
        seen.uses += 1
        seen.faulty += not span.has_fingerprint
        if "pepper_id" in use:
            seen.peppers.add(str(use["pepper_id"]))
        if passed := search.limits.passed(seen.uses):
            search.truncated.append(passed)
            break
    return seen


def _completeness(search: Search, seen: _Seen) -> Completeness:
    """Never exact: what a backend has forgotten, it does not tell."""
    reasons = [*search.truncated, *search.bounded]
    if seen.faulty:
        spans, their, they = (
            ("1 span has", "its", "it comes")
            if seen.faulty == 1
            else (f"{seen.faulty:,} spans have", "their", "they come")
        )
        reasons.append(
            f"{spans} something else than a fingerprint as {their} key: see to the service or "
            f"Collector that {they} from"
        )
    if len(seen.peppers) > 1:
        reasons.append(several_peppers(seen.peppers))
    return Completeness(
        worth="truncated" if search.truncated else "bounded",
        begins=search.begins,
        ends=search.ends,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _judged(found: Found, *swept: _Swept) -> Found:
    """Return what was found with the worth of what was searched."""
    parts = [one.completeness for one in swept]
    if found.completeness.worth == "truncated":
        parts.append(replace(parts[0], worth="truncated", reasons=found.completeness.reasons[:1]))
    return Found(found.rows, least(*parts))
