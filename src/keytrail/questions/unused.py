"""Keys of the inventory that are not in use, and keys in use that are not in the inventory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keytrail.questions.answer import Answer
from keytrail.questions.errors import QuestionError
from keytrail.sources.source import DAY, Filter, Grouping
from keytrail.sources.worth import least

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keytrail.capture.entry import Entry
    from keytrail.sources.source import Completeness, Row, Source

UNUSED_COLUMNS: Final = (
    *("state", "key", "key_id", "key_name", "owner", "environment", "provider"),
    *("last_use", "not_seen_since", "uses"),
)
"""The columns of a key that is not in use, or not in the inventory."""

_SEEN: Final = Grouping(
    columns=(
        *("key", "previous", "key_id", "key_name", "owner", "environment", "provider"),
        *("last_use", "uses"),
    ),
    by=("key",),
    order=("last_use",),
)


_TOO_SHORT: Final = (
    "the record does not reach back so many days: a key that is not in it may have been used before"
)


def unused(source: Source, inventory: Sequence[Entry], *, days: int = 30) -> Answer:
    """Return one row per key of ``inventory`` not seen for ``days``, and per key not in it.

    ``state``: ``idle`` was seen, but not for so long; ``not_seen`` was not seen since the record
    begins, which is never to say that it was not used before; ``unlisted`` was seen and is not in
    the inventory.

    Raises:
        QuestionError: ``days`` is less than one, or the inventory is empty.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    if days < 1:
        raise QuestionError("--days: this is no time\nhint: give 1 or more")
    if not inventory:
        raise QuestionError(
            "there is no inventory to compare with\n"
            "hint: name a file by KEYTRAIL_INVENTORY or --inventory; docs/settings.md says which"
        )
    found = source.groups(Filter(), _SEEN)
    seen = [dict(zip(_SEEN.columns, row, strict=True)) for row in found.rows]
    before = time.time_ns() - days * DAY
    listing = _Inventory(inventory, before, found.completeness.begins)
    rows = (*listing.not_in_use(seen), *listing.unlisted(seen))
    question = {"name": "unused", "days": str(days)}
    return Answer(question, UNUSED_COLUMNS, rows, _as_far_as(before, found.completeness))


def _as_far_as(before: int, told: Completeness) -> Completeness:
    """Bound an answer by a record that does not reach back to ``before``."""
    if told.begins is None or told.begins <= before:
        return told
    return least(told, replace(told, worth="bounded", reasons=(_TOO_SHORT,)))


_Seen = dict[str, object]


def _names(use: _Seen) -> set[object]:
    return {use["key"], use["previous"], use["key_id"]} - {None}


@dataclass(frozen=True, slots=True)
class _Inventory:
    entries: Sequence[Entry]
    before: int
    begins: int | None

    def not_in_use(self, seen: Iterable[_Seen]) -> Iterator[Row]:
        by_name: dict[object, list[_Seen]] = {}
        for use in seen:
            for name in _names(use):
                by_name.setdefault(name, []).append(use)
        for entry in self.entries:
            named = (*by_name.get(entry.fingerprint, ()), *by_name.get(entry.id, ()))
            uses = {use["key"]: use for use in named}.values()
            last = max((_whole(use["last_use"]) for use in uses), default=None)
            if last is None or last < self.before:
                yield self._row(entry, last, sum(_whole(use["uses"]) for use in uses))

    def _row(self, entry: Entry, last: int | None, uses: int) -> Row:
        state, since = ("not_seen", self.begins) if last is None else ("idle", last)
        told = (entry.fingerprint, entry.id, entry.name, entry.owner, entry.environment)
        return (state, *told, entry.provider, last, since, uses)

    def unlisted(self, seen: Iterable[_Seen]) -> Iterator[Row]:
        listed = {name for entry in self.entries for name in (entry.fingerprint, entry.id)}
        for use in seen:
            if use["key"] is not None and not listed & _names(use):
                told = (use[column] for column in UNUSED_COLUMNS[1:8])
                yield ("unlisted", *told, None, use["uses"])


def _whole(value: object) -> int:
    return int(str(value))
