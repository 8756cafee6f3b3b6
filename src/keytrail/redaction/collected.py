"""Redact what a metric reader collected: points, exemplars, scopes, resource."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import (
        Metric,
        MetricsData,
        ResourceMetrics,
        ScopeMetrics,
    )

    from keytrail.redaction.redactor import Redactor


def redacted(data: MetricsData, redactor: Redactor) -> MetricsData:
    """Return a copy of ``data`` in which no text holds a known key, a shape or a named secret."""
    return replace(
        data, resource_metrics=[_resource(one, redactor) for one in data.resource_metrics]
    )


def _resource(before: ResourceMetrics, redactor: Redactor) -> ResourceMetrics:
    attributes = redactor.attributes(before.resource.attributes, place="resource")
    url = before.resource.schema_url
    return replace(
        before,
        resource=Resource(attributes, url and redactor.text(url)),
        scope_metrics=[_scope(one, redactor) for one in before.scope_metrics],
    )


def _scope(before: ScopeMetrics, redactor: Redactor) -> ScopeMetrics:
    scope = before.scope
    return replace(
        before,
        scope=InstrumentationScope(
            redactor.text(scope.name),
            scope.version and redactor.text(scope.version),
            scope.schema_url and redactor.text(scope.schema_url),
            redactor.attributes(scope.attributes or {}, place="scope"),
        ),
        metrics=[_metric(one, redactor) for one in before.metrics],
    )


def _metric(before: Metric, redactor: Redactor) -> Metric:
    points: Any = [_point(one, redactor) for one in before.data.data_points]
    return replace(
        before,
        name=redactor.text(before.name),
        description=before.description and redactor.text(before.description),
        data=replace(before.data, data_points=points),
    )


def _point(before: Any, redactor: Redactor) -> Any:
    return replace(
        before,
        attributes=redactor.attributes(before.attributes or {}, place="measurement"),
        exemplars=[_exemplar(one, redactor) for one in before.exemplars or ()],
    )


def _exemplar(before: Any, redactor: Redactor) -> Any:
    passed = redactor.attributes(before.filtered_attributes or {}, place="measurement")
    return replace(before, filtered_attributes=passed)
