"""The measurement seam: metric attributes redacted before they are aggregated.

The SDK has no interface between an instrument and its aggregation, so its reader storage is
patched: every measurement of every provider passes there, and so does all that a reader collects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from keytrail import faults
from keytrail.redaction import collected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from keytrail.redaction.redactor import Redactor

MOST_REMEMBERED: Final = 4096
"""Attribute sets whose verdict is kept; where more come, all are forgotten and judged anew."""
_OURS: Final = "keytrail"


def reader_storage() -> type[Any]:
    """Return the SDK's class that every measurement passes through.

    Raises:
        ImportError: the SDK has it no more.

    """
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage

    return MetricReaderStorage


class RedactedMeasurements:
    """Redacts the attributes of measurements, and what readers collect of them.

    An attribute set is judged when it is first seen, by name, shape and value, and that verdict is
    remembered. What became a known key only later is redacted when it is collected.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._verdicts: dict[Hashable, Mapping[str, Any] | None] = {}
        """What to put in an attribute set's place; nothing where it is clean."""

    def consuming(self, consume: Callable[..., None]) -> Callable[..., None]:
        """Wrap the method that takes a measurement."""

        def consume_measurement(storage: Any, measurement: Any, *args: Any, **kwargs: Any) -> None:
            consume(storage, self._redacted(measurement), *args, **kwargs)

        return consume_measurement

    def collecting(self, collect: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Wrap the method that returns what was aggregated."""

        def collect_redacted(storage: Any) -> Any:
            data = collect(storage)
            try:
                return None if data is None else collected.redacted(data, self._redactor)
            except Exception as error:  # noqa: BLE001 - fails closed: nothing is exported
                faults.report("redaction.collected", error)
                return None

        return collect_redacted

    def _redacted(self, measurement: Any) -> Any:
        attributes = measurement.attributes
        if not attributes:
            return measurement
        try:
            if measurement.instrument.instrumentation_scope.name == _OURS:
                return measurement
            passed = self._verdict(attributes, measurement.context)
        except Exception as error:  # noqa: BLE001 - fails closed
            faults.report("redaction.measurement", error)
            passed = {}
        return measurement if passed is None else replace(measurement, attributes=passed)

    def _verdict(self, attributes: Mapping[str, Any], context: Any) -> Mapping[str, Any] | None:
        try:
            known = frozenset(attributes.items())
            return self._verdicts[known]
        except TypeError:  # a list or the like, which cannot be looked up
            return self._judged(attributes, context)
        except KeyError:
            verdict = self._judged(attributes, context)
            if len(self._verdicts) >= MOST_REMEMBERED:
                self._verdicts.clear()
            self._verdicts[known] = verdict
            return verdict

    def _judged(self, attributes: Mapping[str, Any], context: Any) -> Mapping[str, Any] | None:
        trace_id = trace.get_current_span(context).get_span_context().trace_id
        passed = self._redactor.attributes(attributes, trace_id or None, "measurement")
        return None if passed is attributes else passed
