from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from keytrail.questions import QuestionError, uses
from keytrail.sources import LocalSource
from store.segment_kit import SECOND, T0, use, write
from support.cases import F1, F2, K1

COLUMNS = (
    *("time", "key", "key_id", "key_name", "owner", "environment", "provider", "direction"),
    *("method", "route", "path", "host", "status", "outcome", "reason", "error", "client"),
    *("user_agent", "service", "location", "field", "scheme", "findings", "duration"),
    *("trace_id", "span_id", "parent_span_id", "sampled", "pepper_id"),
)


def _numbers(home: Path, **filters: Any) -> list[int]:
    """Return which uses were found, by number."""
    answer = uses(LocalSource(home), **filters)
    at = answer.columns.index("time")
    return [(row[at] - T0) // SECOND for row in answer.rows]  # type: ignore[operator]


def test_a_use_is_one_row_under_the_fixed_columns(home: Path) -> None:
    """Values keep their types; what is missing is None."""
    write(home, use(0, findings=["key_in_url"], parent_span_id="00000000000000ff"))
    answer = uses(LocalSource(home))
    assert answer.columns == COLUMNS
    assert list(answer.rows) == [
        (
            *(T0, F1, None, None, None, None, None, "incoming", "GET", "/orders/{id}"),
            *("/orders/0", "api.example.com", 200, "success", None, None, "192.0.2.1", None),
            *("shop", "header", "x-api-key", "none", ["key_in_url"], 0.25),
            *(f"{1:032x}", f"{1:016x}", "00000000000000ff", False, "8805e1a2"),
        )
    ]


def test_the_newest_come_first_and_a_cut_is_told(home: Path) -> None:
    """A limit keeps the newest and says that there are more."""
    write(home, *map(use, range(5)))
    answer = uses(LocalSource(home), limit=2)
    assert [row[0] for row in answer.rows] == [T0 + 4 * SECOND, T0 + 3 * SECOND]
    assert answer.completeness.worth == "truncated"
    assert answer.completeness.reasons == ("older uses match too: these are the newest 2",)


def test_a_limit_among_uses_of_one_moment_takes_the_first_by_their_ids(home: Path) -> None:
    """The newest come first, then those of the lowest trace and span ids."""
    alike = [use(number, time=T0) for number in (3, 1, 2)]
    write(home, *alike, use(9), use(0, time=T0 - 1, trace_id=f"{9:032x}"))
    answer = uses(LocalSource(home), limit=3)
    at = answer.columns.index("trace_id")
    assert [row[at] for row in answer.rows] == [f"{n:032x}" for n in (10, 2, 3)]


def test_a_limit_that_cuts_nothing_is_not_told(home: Path) -> None:
    """Exactly as many as asked for is the whole answer."""
    write(home, *map(use, range(2)))
    assert uses(LocalSource(home), limit=2).completeness.worth == "exact"


def test_thousands_of_rows_come_one_after_the_other(home: Path) -> None:
    """Without a limit every use comes, in order, once."""
    write(home, *map(use, range(5000)))
    assert _numbers(home) == list(reversed(range(5000)))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"key": F1[:8]}, [3, 2, 0]),
        ({"key": F2}, [1]),
        ({"key": "AKIAIOSFODNN7EXAMPLE"}, [1]),
        ({"key": F1[:7]}, []),
        ({"service": "billing"}, [2]),
        ({"route": "/pay"}, [1]),
        ({"route": "/raw"}, [3]),
        ({"client": "192.0.2.1"}, [1, 0]),
        ({"client": "192.0.2.0/24"}, [1, 0]),
        ({"client": "2001:db8:0:0::/64"}, [2]),
        ({"client": "2001:db8:0:0:0:0:0:7"}, [2]),
        ({"status": "401"}, [1]),
        ({"status": "4XX"}, [2, 1]),
        ({"status": "200-401"}, [1, 0]),
        ({"direction": "outgoing"}, [3]),
        ({"outcome": "denied"}, [1]),
        ({"owner": "acme"}, [1]),
        ({"provider": "stripe"}, [3]),
        ({"host": "api.stripe.com"}, [3]),
        ({"finding": "wrong_host"}, [3]),
        ({"trace": f"{3:032X}"}, [2]),
        ({"since": "2025-11-25T18:00:01Z"}, [3, 2, 1]),
        ({"until": "2025-11-25T18:00:01Z"}, [1, 0]),
        ({"since": "2025-11-25T18:00:01.000000001Z", "until": "2025-11-25 18:00:02"}, [2]),
        ({"since": "2025-11-25T19:00:02+01:00"}, [3, 2]),
        ({"since": "2025-11-25"}, [3, 2, 1, 0]),
        ({"since": "2025-11-26"}, []),
        ({"status": "4xx", "outcome": "denied"}, [1]),
    ],
)
def test_filters(home: Path, filters: dict[str, str], found: list[int]) -> None:
    """Each filter keeps what it names, several keep what all of them do."""
    stripe = {"provider": "stripe", "host": "api.stripe.com", "direction": "outgoing"}
    amazon = {"key": F2, "key_id": "AKIAIOSFODNN7EXAMPLE", "owner": "acme"}
    write(
        home,
        use(0),
        use(1, **amazon, route="/pay", status=401, outcome="denied"),
        use(2, service="billing", client="2001:db8::7", status=499),
        use(
            3,
            **stripe,
            client="nonsense",
            status=None,
            route=None,
            path="/raw",
            findings=["redirected", "wrong_host"],
        ),
    )
    assert _numbers(home, **filters) == found


@pytest.mark.parametrize(("ago", "found"), [("30s", 0), ("5m", 1), ("3h", 2), ("2d", 3), ("2w", 4)])
def test_times_may_be_given_as_how_long_ago(home: Path, ago: str, found: int) -> None:
    """s, m, h, d and w count back from now."""
    now = time.time_ns()
    ages = (60, 3600, 86_400, 1_000_000)
    write(home, *(use(n, time=now - age * SECOND) for n, age in enumerate(ages)))
    assert len(list(uses(LocalSource(home), since=ago).rows)) == found


def test_today_begins_at_midnight_utc(home: Path) -> None:
    """Today and yesterday are days in UTC."""
    midnight = time.time_ns() // (86_400 * SECOND) * 86_400 * SECOND
    times = (midnight, midnight - 1, midnight - 86_400 * SECOND, midnight - 86_400 * SECOND - 1)
    write(home, *(use(n, time=time) for n, time in enumerate(times)))
    source = LocalSource(home)
    assert [row[0] for row in uses(source, since="today").rows] == [times[0]]
    yesterday = uses(source, since="yesterday", until="today").rows
    assert [row[0] for row in yesterday] == [*times[:3]]


@pytest.mark.parametrize("client", ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:192.0.2.1"])
def test_an_ipv4_address_may_be_written_within_ipv6(home: Path, client: str) -> None:
    """As servers that listen on both write it, and people who copy it from them."""
    write(home, use(0, client="::ffff:192.0.2.1"), use(1, client="192.0.2.1"), use(2, client="::1"))
    assert len([*uses(LocalSource(home), client=client).rows]) == 2


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            {"since": K1},
            "--since: this cannot be read\n"
            "hint: give a time such as 2026-11-25T17:00:00Z, 2h, 7d or today",
        ),
        (
            {"until": "2026-02-30"},
            "--until: this cannot be read\n"
            "hint: give a time such as 2026-11-25T17:00:00Z, 2h, 7d or today",
        ),
        (
            {"client": K1},
            "--client: this cannot be read\nhint: give an address or a network such as 10.0.0.0/8",
        ),
        (
            {"status": K1},
            "--status: this cannot be read\nhint: give a status such as 404, 4xx or 400-499",
        ),
        (
            {"status": "499-400"},
            "--status: this cannot be read\nhint: give a status such as 404, 4xx or 400-499",
        ),
        ({"trace": K1}, "--trace: this cannot be read\nhint: give a trace id of 32 hex digits"),
        (
            {"direction": K1},
            "--direction: no such value\nhint: give one of incoming, outgoing",
        ),
        (
            {"outcome": K1},
            "--outcome: no such value\n"
            "hint: give one of success, denied, rate_limited, error, unknown",
        ),
        ({"limit": 0}, "--limit: this is no number of uses\nhint: give 1 or more"),
    ],
)
def test_a_filter_that_means_nothing_is_named(
    home: Path, filters: dict[str, Any], message: str
) -> None:
    """The message names the filter and what it takes, never what was given."""
    with pytest.raises(QuestionError) as caught:
        uses(LocalSource(home), **filters)
    assert str(caught.value) == message


def test_the_answer_repeats_the_question(home: Path) -> None:
    """What was asked for, with the times worked out, and nothing that was not."""
    write(home, use(0))
    answer = uses(
        LocalSource(home), key=F1[:8], since="2025-11-25", status="2xx", client="192.0.2.1"
    )
    assert answer.question == {
        "name": "uses",
        "since": "2025-11-25T00:00:00.000000000Z",
        "key": F1[:8],
        "client": "192.0.2.1/32",
        "status": "200-299",
    }


def test_a_key_that_matches_nothing_is_not_repeated(home: Path) -> None:
    """It may be the raw key, given by mistake."""
    write(home, use(0))
    answer = uses(LocalSource(home), key=K1)
    assert answer.question == {"name": "uses", "key": "REDACTED"}
    assert list(answer.rows) == []
