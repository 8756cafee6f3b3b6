"""Audit spans in Kafka: a broker that speaks Kafka's protocol, and what a consumer reads."""

from __future__ import annotations

from pathlib import Path

from collector.kafka_broker import broker, spans_of
from support.cases import F1, K1
from support.otelcol import ROOT, collector, plain, post, span, traces
from support.waiting import eventually

SHIPPED = ROOT / "collector-config"
FILES = [SHIPPED / "standalone.yaml", SHIPPED / "backends" / "kafka.yaml"]


def test_kafka_gets_every_use_once(tmp_path: Path) -> None:
    """Every use is in the topic of the audit once, as OTLP, and no raw key is."""
    keyed = {"http.request.header.x-api-key": [K1]}
    with (
        broker("keytrail-audit") as (address, records),
        collector(tmp_path, FILES, KEYTRAIL_KAFKA_BROKER=address) as running,
    ):
        for start in range(1, 101, 20):
            spans = [span(number, keyed) for number in range(start, start + 20)]
            assert post(running.port, "/v1/traces", traces(*spans, span(1000 + start))) == 200

        def arrived() -> list[tuple[int, str]]:
            return [
                (int.from_bytes(one.span_id, "big"), plain(one.attributes)["keytrail.key.hash"])
                for one in spans_of(records)
            ]

        eventually(lambda: len(arrived()) >= 100)
        assert sorted(arrived()) == [(number, F1) for number in range(1, 101)]
        assert K1.encode() not in b"".join(records)
