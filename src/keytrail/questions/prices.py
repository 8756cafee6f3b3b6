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

import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from keytrail.questions.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CONDITIONS: Final = frozenset(
    {
        *("key", "key_id", "key_name", "owner", "environment", "provider"),
        *("service", "route", "host", "method", "direction", "outcome"),
    }
)
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
    try:
        with path.open("rb") as file:
            content = tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise QuestionError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QuestionError(f"{path}: not TOML: {error}") from None
    currency, tables = content.get("currency"), content.get("prices")
    if not isinstance(currency, str) or not isinstance(tables, list):
        raise QuestionError(f"{path}: no 'currency' or no [[prices]]\nhint: see docs/questions.md")
    return Prices(
        currency, tuple(_price(f"{path}: price {n}", table) for n, table in enumerate(tables, 1))
    )


def _price(where: str, table: Any) -> Price:
    fields = dict(table) if isinstance(table, dict) else {}
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
    if isinstance(rate, bool) or not isinstance(rate, (int, Decimal)) or rate < 0:
        raise QuestionError(f"{where}: {name!r} is not a number of at least 0")
    return Decimal(rate)
