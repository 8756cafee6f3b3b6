"""What was redacted: on the span itself, and on a metric."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from opentelemetry import metrics

from keytrail import faults, semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keytrail.redaction.regions import Region, Rule

Place = Literal[
    "name",
    "attribute",
    "event",
    "link",
    "status",
    "trace_state",
    "resource",
    "scope",
    "measurement",
    "body",
    "text",
]
MOST_HASHES: Final = 4

_counter = metrics.get_meter("keytrail").create_counter(
    semconv.METRIC_REDACTIONS, unit="{value}", description="Redacted values, by place and rule."
)


class Tally:
    """The redacted values of one span, record or text."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Place, Rule]] = Counter()
        self._fingerprints: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, place: Place, rule: Rule, fingerprints: Iterable[str] = ()) -> None:
        """Count one value."""
        self._counts[place, rule] += 1
        self._fingerprints.update(dict.fromkeys(fingerprints))

    def add_regions(self, place: Place, regions: Iterable[Region]) -> None:
        """Count every region."""
        for region in regions:
            self.add(place, region.rule, region.fingerprints)

    def onto(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``attributes`` with the tally added to what an earlier redaction left there."""
        result = dict(attributes)
        if not self:
            return result
        earlier = result.get(semconv.REDACTIONS, 0)
        count = sum(self._counts.values())
        result[semconv.REDACTIONS] = count + earlier if isinstance(earlier, int) else count
        known = dict.fromkeys((*result.get(semconv.REDACTED_HASHES, ()), *self._fingerprints))
        if known:
            result[semconv.REDACTED_HASHES] = tuple(known)[:MOST_HASHES]
        return result

    @faults.guarded("redaction.metric", None)
    def publish(self) -> None:
        """Put the counts onto the metric."""
        for (place, rule), count in self._counts.items():
            _counter.add(count, {"place": place, "rule": rule})
