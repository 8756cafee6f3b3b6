"""What a use costs: a price list that the user keeps.

TOML; the first price whose every condition a use meets is its price:

    currency = "EUR"

    [[prices]]
    provider = "openai"      # columns of a use: key, key_id, key_name, owner, environment,
    route = "/v1/images"     # provider, service, route, host, method, direction, outcome
    per_use = 0.04

    [[prices]]
    provider = "openai"
    per_use = 0.002
    per_second = 0.0001      # of the use's duration
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from keytrail.questions.errors import QuestionError
from keytrail.toml_file import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CONDITIONS: Final = frozenset(
    {
        *("key", "key_id", "key_name", "owner", "environment", "provider"),
        *("service", "route", "host", "method", "direction", "outcome"),
    }
)
_MOST: Final = 10**12
"""What a use, or a second of it, may cost: sums stay numbers that JSON can hold."""
_RATES: Final = ("per_use", "per_second")


@dataclass(frozen=True, slots=True)
class Price:
    """What one use costs that meets the conditions."""

    conditions: tuple[tuple[str, str], ...]
    per_use: Decimal
    per_second: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list; the first price that fits counts."""

    currency: str
    prices: tuple[Price, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a use that a price depends on."""
        named = (column for price in self.prices for column, _ in price.conditions)
        return tuple(dict.fromkeys(named))

    def cost(self, use: Mapping[str, object], uses: int, seconds: float) -> Decimal | None:
        """Return what ``uses`` alike cost that took ``seconds``; ``None`` without a price."""
        for price in self.prices:
            if all(use[column] == value for column, value in price.conditions):
                return price.per_use * uses + price.per_second * Decimal(str(seconds))
        return None


def read_prices(path: Path) -> Prices:
    """Return the price list in a file.

    Raises:
        QuestionError: the file cannot be read or says something else; names the place.
    """
    content = read_toml(path, QuestionError, parse_float=Decimal)
    currency, tables = content.get("currency"), content.get("prices")
    if not (isinstance(currency, str) and currency.strip() and isinstance(tables, list)):
        raise QuestionError(f"{path}: no 'currency' or no [[prices]]\nhint: see docs/questions.md")
    if content.keys() - {"currency", "prices"}:
        raise QuestionError(
            f"{path}: there is more than 'currency' and [[prices]]\nhint: is a name misspelt?"
        )
    prices = [_price(f"{path}: price {n}", table) for n, table in enumerate(tables, 1)]
    _check_order(path, prices)
    return Prices(currency, tuple(prices))


def _check_order(path: Path, prices: Sequence[Price]) -> None:
    """See to it that each price can be the first that fits some use."""
    for later, price in enumerate(prices):
        for earlier, before in enumerate(prices[:later]):
            if set(before.conditions) <= set(price.conditions):
                raise QuestionError(
                    f"{path}: price {later + 1} is of no use, since price {earlier + 1} fits before"
                    " it\nhint: put the one with more conditions first"
                )


def _price(where: str, table: Any) -> Price:
    fields = dict(table) if isinstance(table, dict) else {}
    if fields.keys().isdisjoint(_RATES):
        raise QuestionError(f"{where}: no price\nhint: give {' or '.join(_RATES)}, which may be 0")
    rates = [_rate(where, fields, name) for name in _RATES]
    unknown = fields.keys() - _CONDITIONS
    if unknown or not all(isinstance(value, str) for value in fields.values()):
        raise QuestionError(
            f"{where}: {min(unknown) if unknown else 'a condition'} is not a column of text"
            f"\nhint: conditions are {', '.join(sorted(_CONDITIONS))}"
        )
    return Price(tuple(sorted(fields.items())), *rates)


def _rate(where: str, fields: dict[str, Any], name: str) -> Decimal:
    rate = fields.pop(name, 0)
    is_number = isinstance(rate, (int, Decimal)) and not isinstance(rate, bool)
    if not is_number or not Decimal(rate).is_finite() or not 0 <= rate <= _MOST:
        raise QuestionError(f"{where}: {name!r} is not a number from 0 to {_MOST:,}")
    return Decimal(rate)
