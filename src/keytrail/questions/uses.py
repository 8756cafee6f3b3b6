"""Every use, one row each: who called what with which key, from where, with what result."""

from __future__ import annotations

from keytrail.questions.answer import Answer, answered
from keytrail.questions.filters import QuestionError, read_filter
from keytrail.sources.source import USE_COLUMNS, Source


def uses(
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
    limit: int | None = None,
) -> Answer:
    """Return the newest ``limit`` uses that match every filter, newest first; all without one.

    ``key`` is the first eight or more digits of a fingerprint, or a public key id; ``since`` and
    ``until`` are RFC 3339, ``2h`` or ``7d`` ago, ``today`` or ``yesterday`` in UTC; ``client`` is
    an address or a network; ``status`` is ``404``, ``4xx`` or ``400-499``; ``route`` is compared
    with the path where a use has no route; the others are compared as they are.

    Raises:
        QuestionError: a filter cannot be read.
        keytrail.sources.CannotAnswer: the source cannot answer.
    """
    if limit is not None and limit < 1:
        raise QuestionError("--limit: this is no number of uses\nhint: give 1 or more")
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
    return answered("uses", wanted, USE_COLUMNS, source.uses(wanted, limit))
