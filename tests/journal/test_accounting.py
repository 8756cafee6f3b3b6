from __future__ import annotations

import threading
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from keytrail.journal.accounting import Accounting, Snapshot, Tally


def test_a_tally_loses_no_increment() -> None:
    """Any number of threads may raise a tally while others read it."""
    tally = Tally()

    def raise_it() -> None:
        for _ in range(20_000):
            tally.add()

    threads = [threading.Thread(target=raise_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    looks = [tally.value for _ in range(1000)]
    for thread in threads:
        thread.join()
    tally.add(5)
    assert looks == sorted(looks)
    assert (tally.value, tally.value) == (80_005, 80_005)


@pytest.mark.parametrize(("delivers", "delivered"), [(False, 4), (True, 1)])
def test_what_counts_as_delivered_depends_on_the_endpoint(delivers: bool, delivered: int) -> None:
    """Without an endpoint the journal is where uses go; with one it is on the way."""
    accounting = Accounting(delivers=delivers)
    accounting.saw(6)
    accounting.dropped("queue_full")
    accounting.journaled(3 if not delivers else 5)
    accounting.delivered(1)
    waiting = 5 - delivered
    assert accounting.snapshot() == Snapshot(6, delivered, waiting, {"queue_full": 1})


def test_the_books_are_published_as_metrics() -> None:
    """The four instruments say the same as the snapshot, with the reason on what was dropped."""
    reader = InMemoryMetricReader()
    accounting = Accounting(delivers=True)
    accounting.observe(MeterProvider([reader]).get_meter("test"))
    accounting.saw(10)
    accounting.delivered(4)
    accounting.dropped("queue_full", 2)
    accounting.dropped("expired", 1)
    assert points(reader) == {
        ("keytrail.audit.seen", None): 10,
        ("keytrail.audit.delivered", None): 4,
        ("keytrail.audit.waiting", None): 3,
        ("keytrail.audit.dropped", "queue_full"): 2,
        ("keytrail.audit.dropped", "expired"): 1,
    }


def points(reader: InMemoryMetricReader) -> dict[tuple[str, Any], Any]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (metric.name, (point.attributes or {}).get("reason")): point.value  # type: ignore[union-attr]
        for of_resource in data.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        for point in metric.data.data_points
    }
