"""The metric of uses: bounded series, whatever strangers send."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from keytrail import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytrail.capture.facts import RequestFacts

_Series = tuple[str, str, bool, str | None, str | None]

_MAX_KEYS = 200
"""Keys of an inventory that get a series of their own."""
_MAX_PROVIDERS = 500
"""Providers that do: all of the catalogue, and some of the inventory's."""


class UseCounter:
    """Counts uses by provider, outcome and direction; by key name only from an inventory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Series] = Counter()
        self._names: set[str] = set()
        self._providers: set[str] = set()
        meter = metrics.get_meter("keytrail")
        self._user_tokens = meter.create_counter(
            semconv.METRIC_USER_TOKENS,
            unit="{token}",
            description="JWTs of users: redacted and counted, not journaled as keys.",
        )
        self._provisional = meter.create_counter(
            semconv.METRIC_PROVISIONAL,
            unit="{use}",
            description="Uses journaled while they ran; seen once more at their end.",
        )
        meter.create_observable_counter(
            semconv.METRIC_USES,
            [self._observe],
            unit="{use}",
            description="Uses of API keys, and requests without one.",
        )

    def count(self, facts: RequestFacts, outcome: str) -> None:
        """Count a request that ended with ``outcome``."""
        key = facts.keys[0] if facts.keys else None
        if key is None:
            self._add((facts.direction, outcome, False, None, None))
            return
        name = self._admitted(key.name, self._names, _MAX_KEYS, None)
        provider = self._admitted(key.provider, self._providers, _MAX_PROVIDERS, semconv.OTHER)
        self._add((facts.direction, outcome, True, provider, name))

    def keyless(self, outcome: str) -> None:
        """Count an incoming request without a key; ``unknown`` where nobody records it."""
        self._add(("incoming", outcome, False, None, None))

    def user_tokens(self, number: int) -> None:
        """Count JWTs of users, which are no keys."""
        self._user_tokens.add(number)

    def provisional(self) -> None:
        """Count a use that is journaled before its end."""
        self._provisional.add(1)

    def _add(self, series: _Series) -> None:
        with self._lock:
            self._counts[series] += 1

    def _admitted(
        self, value: str | None, known: set[str], most: int, beyond: str | None
    ) -> str | None:
        """Return ``value``, or ``beyond`` where it would be one too many."""
        if value is None:
            return None
        with self._lock:
            if len(known) < most:
                known.add(value)
            return value if value in known else beyond

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts = list(self._counts.items())
        return [Observation(number, _attributes(series)) for series, number in counts]


def _attributes(series: _Series) -> dict[str, str | bool]:
    return {
        name: value for name, value in zip(_DIMENSIONS, series, strict=True) if value is not None
    }


_DIMENSIONS = (
    semconv.DIRECTION,
    semconv.OUTCOME,
    semconv.KEY_PRESENT,
    semconv.KEY_PROVIDER,
    semconv.KEY_NAME,
)
