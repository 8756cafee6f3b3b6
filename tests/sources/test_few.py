"""Few uses that were read whole give what a source gives."""

from __future__ import annotations

import pytest

from keytrail.questions.keys import BY_KEY
from keytrail.sources import LocalSource, few
from keytrail.sources.few import Few
from keytrail.sources.source import HOUR, USE_COLUMNS, Filter, Grouping

_SENT = Filter(equal=(("direction", "outgoing"),))
_RECEIVED = Filter(equal=(("direction", "incoming"),))
_GROUPINGS = (
    BY_KEY,
    Grouping(("client", "first_use", "denials", "services"), ("client",), order=("denials",)),
    Grouping(("time", "direction", "uses", "errors", "clients"), ("direction",), every=HOUR),
    Grouping(
        columns=("service", "route", "hosts", "rate_limited", "owner", "last_use"),
        by=("service", "route"),
        order=("rate_limited", "last_use"),
    ),
)


def _uses(source: LocalSource, wanted: Filter) -> Few:
    return Few(USE_COLUMNS, tuple(source.uses(wanted, None).rows))


@pytest.mark.parametrize("grouping", _GROUPINGS)
def test_groups_are_those_of_the_journal(truth: LocalSource, grouping: Grouping) -> None:
    """Every measure and the order, with uses that lack a column."""
    uses = _uses(truth, Filter())
    assert uses.can_tell(grouping)
    assert few.groups(uses.uses(), grouping) == [*truth.groups(Filter(), grouping).rows]


@pytest.mark.parametrize("measure", ["p95", "seconds", "previous"])
def test_what_is_not_put_together_here_is_said(truth: LocalSource, measure: str) -> None:
    """A quantile, a sum and what is no column of a use are asked of the source."""
    assert not _uses(truth, Filter()).can_tell(Grouping(("key", measure), by=("key",)))


def test_flows_are_those_of_the_journal(truth: LocalSource) -> None:
    """With the call behind each, and on behalf of one key."""
    sent, received = _uses(truth, _SENT), _uses(truth, _RECEIVED)
    for behalf in (None, (str(received.rows[-1][USE_COLUMNS.index("key")]),)):
        expected = [*truth.flows(Filter(), behalf).rows]
        assert few.flows(sent.uses(), received.uses(), behalf) == expected
