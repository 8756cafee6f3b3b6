"""Which keys were used: by whom, when first and last, how often, with what result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keytrail.questions.answer import Answer
from keytrail.questions.filters import Filters, read_filters
from keytrail.sources.source import Grouping

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keytrail.sources.source import Source

KEY_COLUMNS: Final = (
    *("key", "key_id", "key_name", "owner", "provider", "direction", "first_use", "last_use"),
    *("uses", "errors", "denials", "clients", "services", "routes"),
)
"""The columns of a key."""

BY_KEY: Final = Grouping(KEY_COLUMNS, by=("key", "direction"), order=("last_use",))


def keys(source: Source, **filters: Unpack[Filters]) -> Answer:
    """Return one row per key and direction, the last used first, counting the uses that match.

    Uses without a key are one row per direction whose ``key`` is empty.

    Raises:
        QuestionError: a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    asked = read_filters(source, filters)
    found = source.groups(asked.wanted, BY_KEY)
    return Answer({"name": "keys", **asked.shown}, KEY_COLUMNS, found.rows, found.completeness)
