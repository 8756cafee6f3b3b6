from __future__ import annotations

from pathlib import Path

import pytest

from keytrail.questions import QuestionError, read_prices, usage
from keytrail.sources import LocalSource
from questions.question_kit import F1, F2, HOUR, T0, rows, use, write

_PRICES = """
currency = "EUR"
[[prices]]
provider = "openai"
route = "/images"
per_use = 0.04
[[prices]]
provider = "openai"
per_use = 0.002
per_second = 0.01
"""


def test_an_hour_of_a_key_is_a_row(home: Path) -> None:
    """Uses, results, distinct clients and quantiles, in the order of time."""
    write(
        home,
        use(0, duration=0.1),
        use(1, duration=0.3, outcome="denied", client="192.0.2.2"),
        use(2, duration=0.2, outcome="rate_limited"),
        use(3, key=F2, duration=None, outcome="error", owner="acme"),
        use(4, time=T0 + HOUR + 5, key=F2),
    )
    answer = usage(LocalSource(home))
    assert rows(
        answer,
        *("time", "key", "owner", "uses", "errors", "denials", "rate_limited", "clients"),
        *("p50", "p95", "seconds"),
    ) == [
        (T0, F1, None, 3, 0, 1, 1, 2, 0.2, pytest.approx(0.29), pytest.approx(0.6)),
        (T0, F2, "acme", 1, 1, 0, 0, 1, None, None, None),
        (T0 + HOUR, F2, None, 1, 0, 0, 0, 1, 0.25, 0.25, 0.25),
    ]
    assert answer.question == {"name": "usage", "by": "key", "every": "hour"}


def test_a_day_begins_at_midnight_utc(home: Path) -> None:
    """As `today` does."""
    midnight = T0 + 6 * HOUR
    write(home, use(0), use(1, time=midnight - 1), use(2, time=midnight))
    answer = usage(LocalSource(home), every="day")
    assert rows(answer, "time", "uses") == [(midnight - 24 * HOUR, 2), (midnight, 1)]


def test_uses_are_divided_by_what_is_named(home: Path) -> None:
    """What they are not divided by is empty; a missing value is a group of its own."""
    write(home, use(0, owner="acme"), use(1, route=None), use(2, service="billing"), use(3))
    answer = usage(LocalSource(home), by=("service", "route"), every="all")
    assert rows(answer, "time", "key", "owner", "service", "route", "uses") == [
        (None, None, None, "billing", "/orders/{id}", 1),
        (None, None, None, "shop", None, 1),
        (None, None, None, "shop", "/orders/{id}", 2),
    ]


def test_the_first_price_that_fits_is_the_cost(home: Path, tmp_path: Path) -> None:
    """Even where the rows are not divided by what prices depend on."""
    path = tmp_path / "prices.toml"
    path.write_text(_PRICES)
    paid = {"provider": "openai", "direction": "outgoing"}
    write(
        home,
        use(0, **paid, route="/images"),
        use(1, **paid, route="/chat", duration=2.0),
        use(2, **paid, route="/chat", duration=None),
        use(3, key=F2),
    )
    answer = usage(LocalSource(home), every="all", prices=read_prices(path))
    assert rows(answer, "key", "uses", "cost", "currency") == [
        (F1, 3, pytest.approx(0.04 + 0.002 * 2 + 0.02), "EUR"),
        (F2, 1, None, None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("currency = ", "not TOML (at "),
        ('currency = "EUR"\n[[prices]]\nper_use = nan', "price 1: 'per_use' is not a number from "),
        ('currency = "EUR"\n[[prices]]\nper_use = 1e400', "price 1: 'per_use' is not a number"),
        ('currency = " "\n[[prices]]\nper_use = 1', "no 'currency' or no [[prices]]\nhint: see "),
        (
            'currency = "EUR"\n[[price]]\nper_use = 1\n[[prices]]\nper_use = 2',
            "there is more than 'currency' and [[prices]]\nhint: is a name misspelt?",
        ),
        (
            'currency = "EUR"\n[[prices]]\nprovider = "openai"',
            "price 1: no price\nhint: give per_use or per_second, which may be 0",
        ),
        (
            'currency = "EUR"\n[[prices]]\nper_use = 1\n[[prices]]\nowner = "a"\nper_use = 2',
            "price 2 is of no use, since price 1 fits before it\nhint: put the one with more ",
        ),
        ("", "no 'currency' or no [[prices]]\nhint: see docs/questions.md"),
        (
            'currency = "EUR"\n[[prices]]\nper_use = -1',
            "price 1: 'per_use' is not a number from 0 to 1,000,000,000,000",
        ),
        (
            'currency = "EUR"\n[[prices]]\nplanet = "earth"\nper_use = 1',
            "price 1: planet is not a column of text\nhint: conditions are direction, environment, "
            "host, key, key_id, key_name, method, outcome, owner, provider, route, service",
        ),
    ],
)
def test_a_price_list_that_means_nothing_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The file, the place in it, and what may stand there."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(QuestionError) as caught:
        read_prices(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_division_that_means_nothing_is_named(home: Path) -> None:
    """What may be given is said."""
    with pytest.raises(QuestionError) as caught:
        usage(LocalSource(home), by=("planet",))
    assert str(caught.value) == (
        "--by: no such column\nhint: give some of key, owner, environment, provider, service, "
        "route, host, client, direction"
    )
    with pytest.raises(QuestionError) as caught:
        usage(LocalSource(home), every="week")
    assert str(caught.value) == "--every: no such part\nhint: give one of hour, day, all"
