"""Which keys were used: by whom, when first and last, how often, with what result."""

from __future__ import annotations

from keytrail.questions.answer import Answer, answered
from keytrail.questions.filters import read_filter
from keytrail.sources.source import KEY_COLUMNS, Source


def keys(
    source: Source,
    *,
    key: str | None = None,
    since: str | None = None,
    until: str | None = None,
    service: str | None = None,
    route: str | None = None,
    client: str | None = None,
    status: str | None = None,
    direction: str | None = None,
    outcome: str | None = None,
    owner: str | None = None,
    provider: str | None = None,
    host: str | None = None,
    finding: str | None = None,
    trace: str | None = None,
) -> Answer:
    """Return one row per key and direction, the last used first, counting the uses that match.

    The filters are those of :func:`keytrail.questions.uses`.

    Raises:
        QuestionError: a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    wanted = read_filter(
        key=key,
        since=since,
        until=until,
        service=service,
        route=route,
        client=client,
        status=status,
        direction=direction,
        outcome=outcome,
        owner=owner,
        provider=provider,
        host=host,
        finding=finding,
        trace=trace,
    )
    return answered("keys", wanted, KEY_COLUMNS, source.keys(wanted))
