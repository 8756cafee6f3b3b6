"""A source that can only search: what it finds is asked as if it were a journal on this machine."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TextIO

from keytrail.sources.limits import StoppedError
from keytrail.sources.local import LocalSource
from keytrail.sources.source import (
    HOUR,
    USE_COLUMNS,
    Completeness,
    Filter,
    Found,
    service_of,
)
from keytrail.sources.spans import use_of
from keytrail.sources.worth import least, several_peppers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager

    from keytrail.sources.limits import Limits
    from keytrail.sources.source import Grouping, Identity
    from keytrail.sources.spans import AuditSpan

_DIGITS: Final = re.compile(r"[0-9a-f]{1,64}", re.IGNORECASE)
_WHOLE: Final = 64
_MOST_FOR_DIGITS: Final = 200_000
"""Uses that are read to find whose fingerprint begins with digits that a backend cannot look for.
"""
_IN_PART: Final = (
    "which key is meant was looked for in a part of the uses only: give its whole fingerprint, the "
    "key itself or its public id"
)
_GONE: Final = "traces were found, and not given any more: their backend forgets them"
_TRACE: Final = USE_COLUMNS.index("trace_id")
_MOST_TRACES: Final = 500
"""Traces that are read one by one; of more, everything of their time is searched instead."""


@dataclass(slots=True)
class Search:
    """What a backend is asked to find, and what it has to say of what it found."""

    wanted: Filter
    """Times, keys, clients, traces and the service; nothing else is asked for."""
    limits: Limits
    named: str | None = None
    """Where given, only keys are asked for that go by this public id, or whose fingerprint, or
    the one under the pepper before, begins so."""
    begins: int | None = None
    """Unix nanoseconds from which on the backend was searched."""
    ends: int = 0
    truncated: list[str] = field(default_factory=list)
    """Why more uses may match."""
    bounded: list[str] = field(default_factory=list)
    """Why uses may be gone, or elsewhere."""
    found: int = 0
    """Uses so far."""

    def progress(self, where: str) -> None:
        """Tell how far the search is."""
        self.limits.progress(f"{self.found:,} uses found; searching {where}")


def may_be_digits(named: str) -> bool:
    """Tell whether a key's name may be the beginning of a fingerprint."""
    return _DIGITS.fullmatch(named) is not None


class Backend(Protocol):
    """A tracing backend that finds spans."""

    def can_find(self, named: str, /) -> bool:
        """Tell whether it can look for a public id, or for the first digits of a fingerprint."""

    def close(self) -> None:
        """Let the connections go."""

    def find(self, search: Search) -> Generator[AuditSpan, None, None]:
        """Yield the spans that may match: more than do, perhaps some twice, never fewer.

        A key is looked for as the fingerprint under the pepper before, too.

        Raises:
            keytrail.sources.CannotAnswer: the backend does not answer, or not as it should.
            keytrail.sources.limits.StoppedError: the time of the question is over.
        """


def _earlier(since: int | None) -> int | None:
    """A call that was made since then may belong to one that began before."""
    return None if since is None else since - HOUR


class _Asked(NamedTuple):
    wanted: Filter
    named: str | None
    most: int | None


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
        self._swept: dict[_Asked, _Swept] = {}
        self._unnamed: list[str] = []
        self._files = ExitStack()

    def close(self) -> None:
        """Remove what was found."""
        self._backend.close()
        self._files.close()
        self._swept.clear()

    def reading(self) -> AbstractContextManager[SweptSource]:
        """What was found stays as it is anyway."""
        return nullcontext(self)

    def uses(self, wanted: Filter, limit: int | None, *, oldest_first: bool = False) -> Found:
        """Return the newest ``limit`` uses, newest first, or all of them the other way round."""
        swept = self._sweep(wanted)
        return self._judged(swept.source.uses(wanted, limit, oldest_first=oldest_first), swept)

    def groups(self, wanted: Filter, grouping: Grouping) -> Found:
        """Return one row for each group of uses."""
        swept = self._sweep(wanted)
        return self._judged(swept.source.groups(wanted, grouping), swept)

    def flows(self, wanted: Filter, behalf: tuple[str, ...] | None = None) -> Found:
        """Return which key was sent by which service to which host."""
        around = self._sweep(wanted if behalf is None else replace(wanted, keys=behalf))
        traces = {str(use[_TRACE]) for use in around.source.uses(Filter(), None).rows}
        swept = self._sweep(
            Filter(traces=tuple(sorted(traces)))
            if len(traces) <= _MOST_TRACES
            else Filter(_earlier(wanted.since), wanted.until)
        )
        return self._judged(swept.source.flows(wanted, behalf), swept, around)

    def identities(self, start: str) -> tuple[Identity, ...]:
        """Return the fingerprints that begin with ``start`` or go by it.

        Where they were not all found, every answer from here on says so.
        """
        if len(start) == _WHOLE:
            swept = self._sweep(Filter(keys=(start.lower(),)))
        elif self._backend.can_find(start):
            swept = self._sweep(Filter(), start)
        else:
            return self._identities_by_digits(start)
        return self._named(swept, start)

    def _identities_by_digits(self, start: str) -> tuple[Identity, ...]:
        """Read uses to find what the backend cannot look for."""
        swept = self._sweep(Filter(), most=_MOST_FOR_DIGITS)
        if swept.completeness.worth == "truncated":
            self._unnamed.append(_IN_PART)
        return self._named(swept, start)

    def _named(self, swept: _Swept, start: str) -> tuple[Identity, ...]:
        if swept.completeness.worth == "truncated":
            self._unnamed += swept.completeness.reasons
        return swept.source.identities(start)

    def _sweep(self, wanted: Filter, named: str | None = None, most: int | None = None) -> _Swept:
        """Search once for what a filter has that a backend can look for: ``most`` uses of it."""
        service = service_of(wanted)
        searched = Filter(
            since=wanted.since,
            until=wanted.until,
            keys=wanted.keys,
            clients=wanted.clients,
            traces=wanted.traces,
            equal=() if service is None else (("service", service),),
        )
        asked = _Asked(searched, named, most)
        if asked not in self._swept:
            limits = self._limits.of_at_most(most)
            swept = self._search(Search(searched, limits, named))
            if searched.traces and self._has_lost(searched.traces, swept):
                swept = swept._replace(completeness=swept.completeness.truncated(_GONE))
            self._swept[asked] = swept
        return self._swept[asked]

    def _has_lost(self, traces: tuple[str, ...], swept: _Swept) -> bool:
        """Tell whether one of ``traces`` was found before, and is not in ``swept``."""
        given = {str(use[_TRACE]) for use in swept.source.uses(Filter(traces=traces), None).rows}
        missing = Filter(traces=tuple(trace for trace in traces if trace not in given))
        if not missing.traces:
            return False
        return any([*before.source.uses(missing, 1).rows] for before in self._swept.values())

    def _search(self, search: Search) -> _Swept:
        home = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="keytrail-")))
        segment = home / "live" / "found" / "found.ndjson"
        segment.parent.mkdir(parents=True)
        seen = _Seen()
        with segment.open("w") as lines, closing(self._backend.find(search)) as spans:
            try:
                _write(spans, lines, search, seen)
            except StoppedError as stopped:
                search.truncated.append(str(stopped))
        return _Swept(LocalSource(home), _completeness(search, seen))

    def _judged(self, found: Found, *swept: _Swept) -> Found:
        """Return what was found with the worth of what was searched."""
        parts = [one.completeness for one in swept]
        cut = found.completeness.worth == "truncated"
        reasons = (*(found.completeness.reasons[:1] if cut else ()), *self._unnamed)
        if reasons:
            parts.insert(0, replace(parts[0], worth="truncated", reasons=reasons))
        return Found(found.rows, least(*parts))


@dataclass(slots=True)
class _Seen:
    faulty: int = 0
    peppers: set[str] = field(default_factory=set)


def _write(spans: Iterable[AuditSpan], lines: TextIO, search: Search, seen: _Seen) -> None:
    for span in spans:
        if not span.is_one:
            continue
        search.limits.check(search.found + 1)
        use = use_of(span)
        lines.write(json.dumps(use) + "\n")
        search.found += 1
        seen.faulty += not span.has_fingerprint
        if "pepper_id" in use:
            seen.peppers.add(str(use["pepper_id"]))


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
